//! `logs/*`, `monitor/*` and `/metrics`: what is told of what happened.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{get, post};
use crate::harness::{PATIENCE, Server};

/// The lines of a log that are about this path.
async fn lines(server: &Server, file: &str, holding: &str) -> Vec<Value> {
    let body = json!({ "file": file, "lines": 10000 });
    let read = post(server, "logs/read", body).await.expect(200).json();
    let lines = read["lines"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str);
    let lines = lines.filter(|line| line.contains(holding) && !line.contains("/api/v1/"));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn every_request_leaves_one_line() {
    let server = Server::with_scripts(&[
        ("ok.ts", "return 'x'"),
        ("fails.ts", "throw new Error('no')"),
        ("calls.ts", "return fetch('/ok')"),
        ("closed.ts", "// @token s3cret\nreturn 1"),
        ("stream.ts", "return (async function* () { yield 'a'; await new Promise(r => setTimeout(r, 5)); yield 'b' })()"),
    ])
    .start()
    .await;
    server
        .get("/ok?access_token=s3cret&a=1")
        .header("user-agent", "tests")
        .await
        .expect(200);
    server.get("/fails").await.expect(500);
    server.get("/calls").await.expect(200);
    server.get("/closed?token=wr0ng").await.expect(401);
    server.get("/none").await.expect(404);
    server.request(Method::HEAD, "/ok?head").await.expect(200);
    server.get("/stream").await.expect_text(200, "ab");
    let line = async |holding: &str| {
        let found = lines(&server, "access/access.log", holding).await;
        assert_eq!(found.len(), 1, "{holding}: {found:?}");
        found.into_iter().next().unwrap()
    };
    let ok = line("a=1").await;
    assert_eq!(
        (&ok["status"], &ok["script"]),
        (&json!(200), &json!("1/ok.ts"))
    );
    assert_eq!(
        (&ok["path"], &ok["method"]),
        (&json!("/ok?access_token=[REDACTED]&a=1"), &json!("GET"))
    );
    assert_eq!(
        (&ok["bytes_out"], &ok["user_agent"]),
        (&json!(1), &json!("tests"))
    );
    assert_eq!(
        (&ok["trigger"], &ok["depth"], &ok["exec_id"]),
        (&json!("http"), &json!(0), &json!("1"))
    );
    assert!(
        ok["fuel_used"].as_u64().unwrap() > 1000
            && ok["memory_peak_bytes"].as_u64().unwrap() > 1000
    );
    assert!(ok["duration_ms"].as_f64().unwrap() > 0.0 && ok["version"].is_string());
    let fails = line("/fails").await;
    assert_eq!(
        (&fails["status"], &fails["error"]),
        (&json!(500), &json!("SCRIPT_ERROR"))
    );
    assert!(fails["fuel_used"].as_u64().unwrap() > 1000);
    line("\"/calls\"").await;
    let internal = line("\"internal\"").await;
    assert_eq!(
        (&internal["path"], &internal["depth"]),
        (&json!("/ok"), &json!(1))
    );
    let closed = line("/closed").await;
    assert_eq!(
        (&closed["status"], &closed["script"]),
        (&json!(401), &json!("1/closed.ts"))
    );
    assert_eq!(
        (&closed["path"], &closed["fuel_used"]),
        (&json!("/closed?token=[REDACTED]"), &json!(0))
    );
    let none = line("/none").await;
    assert_eq!(
        (&none["status"], &none["script"]),
        (&json!(404), &Value::Null)
    );
    assert_eq!(line("?head").await["bytes_out"], Value::Null);
    let stream = line("/stream").await;
    assert_eq!(
        (&stream["status"], &stream["bytes_out"]),
        (&json!(200), &json!(2))
    );
    assert!(
        stream["fuel_used"].as_u64().unwrap() > 1000,
        "a streamed answer is reported too: {stream}"
    );
    // Requests to the management API name their token.
    let read = post(&server, "logs/search", json!({ "query": "logs/read" }))
        .await
        .expect(200)
        .json();
    let first: Value = serde_json::from_str(read["results"][0]["line"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&first["token"], &first["script"]),
        (&json!("root"), &Value::Null)
    );
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_a_line_too() {
    use std::io::Write;
    let server = Server::with_script("slow.ts", "await new Promise(r => setTimeout(r, 60000))")
        .start()
        .await;
    server.until("/none", |reply| reply.status == 404).await;
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    loop {
        let active = get(&server, "monitor/active-requests")
            .await
            .expect(200)
            .json();
        if active["count"] == 1 {
            assert_eq!(active["active"][0]["scriptPath"], "1/slow.ts");
            assert_eq!(active["active"][0]["url"], "/slow");
            break;
        }
    }
    drop(stream);
    let line = loop {
        let found = lines(&server, "access/access.log", "/slow").await;
        if let Some(line) = found.into_iter().next() {
            break line;
        }
    };
    assert_eq!(line["status"], 499);
    let active = get(&server, "monitor/active-requests")
        .await
        .expect(200)
        .json();
    assert_eq!(active, json!({ "count": 0, "active": [] }));
}

#[tokio::test]
async fn what_handlers_say_is_kept_as_their_lines_ask() {
    let source = "// @log-level debug\n// @log-request-body full\n// @log-response-body full\n\
                  console.debug('details', { a: 1 })\nconsole.error('bad')\nreturn { answer: req.body }";
    let fails =
        "function inner(): never { throw new TypeError('no') }\nconsole.log('before')\ninner()";
    let server = Server::with_scripts(&[
        ("full.ts", source),
        ("fails.ts", fails),
        (
            "quiet.ts",
            "// @log-level none\nconsole.error('unheard')\nreturn 1",
        ),
        (
            "errors.ts",
            "// @log-level minimal\nconsole.log('unheard')\nconsole.error('heard')\nreturn 1",
        ),
    ])
    .start()
    .await;
    let reply = server
        .post("/full", r#"{"ping":1}"#)
        .header("content-type", "application/json");
    let reply = reply.token("s3cret").await.expect(200);
    let id = reply.header("x-execution-id").unwrap().to_owned();
    let of = async |id: &str| {
        let read = post(&server, "logs/read", json!({ "executionId": id }))
            .await
            .expect(200)
            .json();
        let lines = read["lines"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str);
        let lines: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        lines
    };
    // The last line is written when the answer has gone.
    let whole = async {
        while of(&id).await.len() < 3 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, whole).await.expect("all lines in time");
    let found = of(&id).await;
    let messages: Vec<_> = found
        .iter()
        .filter_map(|line| line["message"].as_str())
        .collect();
    assert_eq!(
        messages,
        ["details { a: 1 }", "bad", "POST /full 200"],
        "{found:?}"
    );
    assert_eq!(
        (&found[0]["level"], &found[1]["level"]),
        (&json!("debug"), &json!("error"))
    );
    let exchange = &found[2];
    assert_eq!(exchange["request"]["body"]["text"], "{\"ping\":1}");
    assert_eq!(
        exchange["response"]["body"]["text"],
        "{\"answer\":{\"ping\":1}}"
    );
    assert_eq!(
        exchange["request"]["headers"]["authorization"],
        "[REDACTED]"
    );

    let reply = server.get("/fails").await.expect(500);
    let found = of(reply.header("x-execution-id").unwrap()).await;
    let error = found
        .iter()
        .find(|line| line["stack"].is_string())
        .expect("a line with a stack");
    assert_eq!(error["message"], "TypeError: no");
    assert!(
        error["stack"].as_str().unwrap().contains("fails.ts:1:"),
        "{error}"
    );
    assert_eq!(found[0]["message"], "before");

    server.get("/quiet").await.expect(200);
    server.get("/errors").await.expect(200);
    assert!(
        lines(&server, "executions/executions.log", "unheard")
            .await
            .is_empty()
    );
    assert_eq!(
        lines(&server, "executions/executions.log", "heard")
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn logs_are_listed_read_searched_and_cleared() {
    let server = Server::with_script("a.ts", "console.log('needle'); return 1")
        .start()
        .await;
    for _ in 0..5 {
        server.get("/a").await.expect(200);
    }
    let list = get(&server, "logs/list").await.expect(200).json();
    let names: Vec<_> = list["logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|log| log["name"].clone())
        .collect();
    assert_eq!(names, ["access/access.log", "executions/executions.log"]);
    assert_eq!(
        get(&server, "logs/list?type=executions")
            .await
            .expect(200)
            .json()["count"],
        1
    );
    get(&server, "logs/list?type=other").await.expect(400);
    get(&server, "logs/list?limit=0").await.expect(400);

    let file = "executions/executions.log";
    let read = async |body: Value| post(&server, "logs/read", body).await;
    let answer = read(json!({ "file": file, "lines": 2, "tail": false }))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&answer["totalLines"], &answer["returnedLines"]),
        (&json!(5), &json!(2))
    );
    let answer = read(json!({ "file": file, "search": "nothing" }))
        .await
        .expect(200)
        .json();
    assert_eq!(answer["filteredLines"], 0);
    read(json!({})).await.expect(400);
    read(json!({ "file": file, "lines": 0 })).await.expect(400);
    read(json!({ "file": "../footpath.lock" }))
        .await
        .expect(403);
    let reply = read(json!({ "file": "access/access.log.7" }))
        .await
        .expect_error(404, "ERROR_404")
        .json();
    assert_eq!(reply["error"], "Log file not found");

    let search = async |body: Value| post(&server, "logs/search", body).await;
    let answer = search(json!({ "query": "NEEDLE", "files": [file] }))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&answer["matchesFound"], &answer["searchType"]),
        (&json!(5), &json!("text"))
    );
    let answer = search(json!({ "regex": "need.e\"", "limit": 2, "files": [file] }))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (
            &answer["matchesFound"],
            answer["results"].as_array().unwrap().len()
        ),
        (&json!(5), 2)
    );
    search(json!({ "regex": "(" })).await.expect(400);
    search(json!({})).await.expect(400);

    let clear = |query: &str| {
        let target = format!("/api/v1/exec/logs/clear?type=executions{query}");
        server.request(Method::DELETE, &target).as_root()
    };
    let reply = clear("").await.expect(400).json();
    assert_eq!(reply["error"], "confirm=true parameter required for safety");
    assert_eq!(
        clear("&confirm=true&dry_run=true").await.expect(200).json()["deleted"],
        1
    );
    assert_eq!(
        get(&server, "logs/list?type=executions")
            .await
            .expect(200)
            .json()["count"],
        1
    );
    assert_eq!(
        clear("&confirm=true").await.expect(200).json()["deleted"],
        1
    );
    assert_eq!(
        get(&server, "logs/list?type=executions")
            .await
            .expect(200)
            .json()["count"],
        0
    );
}

#[tokio::test]
async fn a_log_is_followed_as_it_grows() {
    use std::io::{BufRead, BufReader, Write};
    let mut server =
        Server::with_script("a.ts", "console.log('line ' + metadata.query.n); return 1")
            .start()
            .await;
    server.get("/a?n=1").await.expect(200);
    get(&server, "logs/list").await.expect(200);
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream
        .set_read_timeout(Some(crate::harness::PATIENCE))
        .unwrap();
    let token = crate::harness::ROOT_TOKEN;
    let head = format!(
        "GET /api/v1/exec/logs/stream?file=executions/executions.log HTTP/1.1\r\nhost: x\r\n\
         authorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut until = |wanted: &str| {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert_ne!(
                reader.read_line(&mut line).unwrap(),
                0,
                "the stream ended before {wanted:?}"
            );
        }
        line
    };
    until("text/event-stream");
    let data = until("line 1");
    assert!(data.starts_with("data:"), "{data}");
    server.get("/a?n=2").await.expect(200);
    until("line 2");
    // A stream does not keep a server from stopping.
    let started = std::time::Instant::now();
    assert!(server.stop().success());
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
    get_gone(&mut reader);
}

/// Reads to the end, which comes once the server has stopped.
fn get_gone(reader: &mut impl std::io::BufRead) {
    let mut rest = String::new();
    let _ = reader.read_to_string(&mut rest);
}

#[tokio::test]
async fn numbers_are_shown_as_json_and_to_prometheus() {
    let server = Server::with_scripts(&[
        ("ok.ts", "return 1"),
        ("fails.ts", "throw new Error('no')"),
        ("spins.ts", "// @fuel 10M\nfor (;;) {}"),
    ])
    .start()
    .await;
    for _ in 0..3 {
        server.get("/ok").await.expect(200);
    }
    server.get("/fails").await.expect(500);
    server.get("/spins").await.expect_error(500, "LIMIT_FUEL");
    server.get("/none").await.expect(404);
    let stats = get(&server, "monitor/stats").await.expect(200).json();
    let requests = &stats["requests"];
    assert_eq!(
        (&requests["total"], &requests["errors"]),
        (&json!(6), &json!(2))
    );
    assert_eq!(stats["cache"]["scripts"], 3);
    assert!(stats["memory"]["rss"].as_u64().unwrap() > 1 << 20);
    let list = get(&server, "monitor/scripts?sort=requests&limit=1")
        .await
        .expect(200)
        .json();
    assert_eq!((&list["count"], &list["total"]), (&json!(1), &json!(3)));
    assert_eq!(list["scripts"][0]["scriptPath"], "1/ok.ts");
    assert_eq!(list["scripts"][0]["http"]["total"], 3);
    get(&server, "monitor/scripts?sort=beauty")
        .await
        .expect(400);
    let one = post(
        &server,
        "monitor/script-performance",
        json!({ "scriptPath": "fails.ts" }),
    )
    .await
    .expect(200)
    .json();
    assert_eq!(one["metrics"]["recentErrors"][0]["message"], "Error: no");
    let one = post(
        &server,
        "monitor/script-performance",
        json!({ "scriptPath": "none.ts" }),
    )
    .await
    .expect(200)
    .json();
    assert_eq!(one, json!({ "metrics": {} }));
    post(&server, "monitor/script-performance", json!({}))
        .await
        .expect(400);
    for target in ["/metrics", "/api/v1/exec/monitor/metrics"] {
        let reply = server.get(target).as_root().await.expect(200);
        assert!(
            reply
                .header("content-type")
                .unwrap()
                .starts_with("text/plain; version=0.0.4")
        );
        let text = reply.text();
        assert!(
            text.contains("outcome=\"limit\"") && text.contains("footpath_build_info"),
            "{text}"
        );
        assert!(text.contains("publish"), "{text}");
    }
    server.get("/metrics").await.expect(401);
}
