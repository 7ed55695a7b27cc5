//! A process that dies while a route is being made leaves no route or a working one.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::catching;
use super::lifecycle::read;
use super::provider::{Provider, says};
use crate::harness::{Server, skip, withheld};

const HANDLER: &str = "return { url: req.url, authority: [typeof fs, typeof kv] };";
/// Kills that are spread over the time that one call takes.
const KILLS: u32 = 16;
/// Looks for a moment; each takes at least a millisecond.
const LOOKS_MAX: u32 = 20_000;

/// Starts the server again: there is no route, or one that is whole. Either way the
/// next call is answered, and the route has no more authority than a model's script.
async fn restarts_well(server: &mut Server, path: &str) {
    let file = server.scripts().join(format!("1{path}.ts"));
    if let Ok(text) = std::fs::read_to_string(&file) {
        assert_eq!(text, format!("// @mode serverless\n{HANDLER}"));
    }
    server.restart().await;
    let expected = json!({ "url": path, "authority": ["undefined", "undefined"] });
    for _ in 0..2 {
        server.get(path).await.expect_json(200, expected.clone());
    }
}

#[tokio::test]
async fn a_kill_at_any_moment_leaves_no_route_or_a_working_one() {
    let Some(provider) = Provider::start(&[says("URL GET /k", HANDLER)]) else {
        skip!("aimock is not installed");
    };
    let mut server = catching(&provider)
        .set("author.calls_per_minute_per_client", 1_000)
        .start()
        .await;
    let started = Instant::now();
    server.get("/api/k-first").await.expect(200);
    // A little longer than one call, so that some kills come behind it.
    let step = (started.elapsed() * 5 / 4) / KILLS;
    let mut saved = 0;
    for kill in 0..KILLS {
        let path = format!("/api/k{kill}");
        {
            let call = async { server.get(&path).send().await };
            // What it answers, or that it does not, is not the point.
            let _ = tokio::time::timeout(step * kill, call).await;
        }
        server.kill();
        let file = server.scripts().join(format!("1{path}.ts"));
        saved += u32::from(file.exists());
        restarts_well(&mut server, &path).await;
    }
    assert!(saved < KILLS, "every kill came too late to prove anything");
}

#[tokio::test]
async fn a_kill_at_each_step_leaves_no_route_or_a_working_one() {
    let slow = |name: &str, latency: u32| {
        json!({
            "match": { "userMessage": format!("URL GET /{name}\n"), "sequenceIndex": 0 },
            "response": { "content": HANDLER },
            "streamingProfile": { "ttft": latency },
        })
    };
    let waiting = format!("await fetch('/wait');\n{HANDLER}");
    let trial = json!({
        "match": { "userMessage": "URL GET /trial\n", "sequenceIndex": 0 },
        "response": { "content": waiting },
    });
    let fixtures = [slow("asked", 5_000), trial, says("URL GET /", HANDLER)];
    let Some(provider) = Provider::start(&fixtures) else {
        skip!("aimock is not installed");
    };
    let mut server = catching(&provider)
        .script(
            "wait.ts",
            "await kv.increment('waits'); await new Promise((done) => setTimeout(done, 20_000));",
        )
        .script("waits.ts", "return await kv.get('waits') ?? 0;")
        .start()
        .await;

    // The model has been asked, and has not answered.
    let asked = async |server: &Server| {
        let used = read(server, "author/budget").await["callsThisMinute"]["used"].clone();
        used.as_u64() > Some(0)
    };
    let file = dies_when(&mut server, "/api/asked", asked).await;
    assert!(!file, "saved before the model had answered");
    restarts_well(&mut server, "/api/asked").await;

    // The code is being tried.
    let tried = async |server: &Server| server.get("/waits").await.text() != "0";
    let file = dies_when(&mut server, "/api/trial", tried).await;
    assert!(!file, "saved before its trial was over");
    restarts_well(&mut server, "/api/trial").await;

    // The file is there; whether its version is stored yet is a matter of luck here.
    let place = server.scripts().join("1/api/file.ts");
    let written = async |_: &Server| place.exists();
    let file = dies_when(&mut server, "/api/file", written).await;
    assert!(file);
    let before = provider.calls(&server).await;
    restarts_well(&mut server, "/api/file").await;
    assert_eq!(provider.calls(&server).await, before);

    // The caller has its answer: the route is on the disk.
    server.get("/api/answered").await.expect(200);
    server.kill();
    let before = provider.calls(&server).await;
    restarts_well(&mut server, "/api/answered").await;
    assert_eq!(provider.calls(&server).await, before);
}

#[tokio::test]
async fn a_kill_between_a_file_and_its_version_forgets_nothing() {
    if Command::new("strace").arg("-V").output().is_err() {
        skip!("strace is not installed");
    }
    let Some(provider) = Provider::start(&[says("URL GET /x", HANDLER)]) else {
        skip!("aimock is not installed");
    };
    let mut server = catching(&provider).start().await;
    // A file's name is on the disk once its folder is flushed, and then its version
    // follows: the kernel kills the server as it begins to do so.
    let mut killer = Command::new("strace")
        .args(["-f", "-p", &server.pid().to_string()])
        .arg("-P")
        .arg(server.scripts().join("1/api"))
        .args(["-e", "trace=fsync", "-e", "inject=fsync:signal=KILL:when=1"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(killer.stderr.take().unwrap()).lines();
    let mut said = said.map_while(Result::ok);
    let attached = said.find(|line| line.contains("attached"));
    std::thread::spawn(move || said.for_each(drop));
    let Some(attached) = attached else {
        killer.kill().unwrap();
        killer.wait().unwrap();
        withheld("strace may not watch other processes on this machine");
        return;
    };
    assert!(server.get("/api/x").send().await.is_err(), "{attached}");
    killer.wait().unwrap();
    server.kill();
    assert!(server.scripts().join("1/api/x.ts").exists());
    restarts_well(&mut server, "/api/x").await;
    assert_eq!(provider.calls(&server).await, 1);
    let trail = read(&server, "trail").await;
    let route = &trail["routes"][0];
    assert_eq!(route["model"], "anthropic/claude-sonnet-4.5", "{trail}");
    let versions = read(&server, "scripts/versions?path=api/x.ts").await;
    assert_eq!(versions["versions"][0]["origin"], "script");
    let trial = &versions["versions"][0]["authorship"]["trial"];
    assert_eq!(trial["outcome"], "answered", "{versions}");
}

/// Calls a path and kills the server as soon as something holds; whether the file is
/// there then.
async fn dies_when(server: &mut Server, path: &str, holds: impl AsyncFn(&Server) -> bool) -> bool {
    {
        let server = &*server;
        let watching = async {
            for _ in 0..LOOKS_MAX {
                if holds(server).await {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            panic!("{path} never came so far");
        };
        tokio::select! {
            biased;
            () = watching => {}
            reply = server.get(path).send() => {
                // Nothing holds it up, and it may be done before anybody looks.
                assert!(holds(server).await, "{path}: {reply:?}");
            }
        }
    }
    server.kill();
    server.scripts().join(format!("1{path}.ts")).exists()
}
