//! How a server ends, and what the next one finds.

use std::time::Duration;

use serde_json::json;

use crate::harness::Server;

const SLOW: &str = "await kv.set('started', true); await new Promise((r) => setTimeout(r, 1500)); return 'finished';";

#[tokio::test]
async fn sigterm_lets_requests_finish() {
    let mut server = Server::with_scripts(&[
        ("slow.ts", SLOW),
        ("started.ts", "return await kv.get('started') ?? false"),
    ])
    .start()
    .await;
    server.get("/started").await.expect_json(200, json!(false));
    let status = {
        let request = async { server.get("/slow").await.expect_text(200, "finished") };
        let stop = async {
            server
                .until("/started", |reply| reply.text() == "true")
                .await;
            server.signal("TERM");
        };
        tokio::join!(request, stop);
        server.wait()
    };
    assert_eq!(status.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn a_stopping_server_takes_no_new_connections() {
    let server = Server::with_scripts(&[
        ("slow.ts", SLOW),
        ("started.ts", "return await kv.get('started') ?? false"),
    ])
    .start()
    .await;
    let request = async { server.get("/slow").await.expect_text(200, "finished") };
    let meanwhile = async {
        server
            .until("/started", |reply| reply.text() == "true")
            .await;
        server.signal("TERM");
        let deadline = tokio::time::Instant::now() + crate::harness::PATIENCE;
        while tokio::net::TcpStream::connect(server.address())
            .await
            .is_ok()
        {
            assert!(tokio::time::Instant::now() < deadline, "it still accepts");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::join!(request, meanwhile);
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let source = "await kv.set('started', true); await new Promise((r) => setTimeout(r, 600_000)); return 1;";
    let setup = Server::with_scripts(&[
        ("stuck.ts", source),
        ("started.ts", "return await kv.get('started') ?? false"),
    ]);
    let mut server = setup
        .set("server.drain_ms", 300)
        .set("limits.wall_clock_ms", 600_000)
        .start()
        .await;
    let status = {
        let request = server.get("/stuck").send();
        let stop = async {
            server
                .until("/started", |reply| reply.text() == "true")
                .await;
            server.signal("TERM");
        };
        let (sent, ()) = tokio::join!(request, stop);
        assert!(sent.is_err(), "it was cut off: {sent:?}");
        server.wait()
    };
    assert_eq!(status.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let source = "await kv.set('started', true); await new Promise((r) => setTimeout(r, 600_000)); return 1;";
    let setup = Server::with_scripts(&[
        ("stuck.ts", source),
        ("started.ts", "return await kv.get('started') ?? false"),
    ]);
    let mut server = setup.set("limits.wall_clock_ms", 600_000).start().await;
    {
        let request = server.get("/stuck").send();
        let stop = async {
            server
                .until("/started", |reply| reply.text() == "true")
                .await;
            server.signal("TERM");
            // The first is handled when nothing new is accepted any more.
            let deadline = tokio::time::Instant::now() + crate::harness::PATIENCE;
            while tokio::net::TcpStream::connect(server.address())
                .await
                .is_ok()
            {
                assert!(tokio::time::Instant::now() < deadline, "it still accepts");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            server.signal("TERM");
        };
        let _ = tokio::join!(request, stop);
    }
    assert_ne!(server.wait().code(), Some(0));
}

#[tokio::test]
async fn a_second_process_is_refused_with_the_pid_of_the_first() {
    let server = Server::with_script("a.ts", "return 1").start().await;
    let refusal = server.second_process();
    assert!(!refusal.status.success());
    assert!(
        refusal.stderr.contains(&server.pid().to_string()),
        "{}",
        refusal.stderr
    );
    assert!(!refusal.stderr.contains("panicked"), "{}", refusal.stderr);
    server.get("/a").await.expect(200);
}

#[tokio::test]
async fn an_address_in_use_is_one_clear_paragraph() {
    let server = Server::with_script("a.ts", "return 1").start().await;
    let address = server.address().to_string();
    let refusal = Server::empty()
        .argument("--http")
        .argument(&address)
        .refuses_to_start()
        .await;
    assert!(
        refusal.stderr.contains(&address) && refusal.stderr.contains("--http"),
        "{}",
        refusal.stderr
    );
}

#[tokio::test]
async fn what_was_stored_outlives_a_stop_and_a_kill() {
    let server = Server::with_scripts(&[
        (
            "put.ts",
            "await kv.set('key', { n: [1, 2] }); return { count: await kv.increment('count') };",
        ),
        (
            "get.ts",
            "return { value: await kv.get('key') ?? null, count: await kv.get('count') ?? 0 };",
        ),
    ]);
    let mut server = server.start().await;
    for round in 1..=2 {
        server
            .get("/put")
            .await
            .expect_json(200, json!({ "count": round }));
        if round == 1 {
            assert_eq!(server.stop().code(), Some(0), "{}", server.log());
        } else {
            server.kill();
        }
        server.restart().await;
        server
            .get("/get")
            .await
            .expect_json(200, json!({ "value": { "n": [1, 2] }, "count": round }));
    }
}
