//! Routes that call other routes, and the world outside.

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::limits::{WALL_CLOCK_MS, guarded, limited, memory_returns, settled, still_good};

#[tokio::test]
async fn a_route_that_calls_itself_comes_to_an_end() {
    let recursive =
        "const answer = await fetch('/self'); return new Response(answer.body, answer);";
    let counted = "const n = Number(metadata.query.n); if (n === 0) return { bottom: true };\n\
                   const answer = await fetch('/down?n=' + (n - 1)); return new Response(answer.body, answer);";
    let setup = guarded()
        .set("limits.self_call_depth", 4)
        .script("self.ts", recursive)
        .script("down.ts", counted);
    let server = setup.start().await;
    still_good(&server).await;
    let before = settled(&server).await;
    limited(server.get("/self").await, 508, "DEPTH", 4);
    server
        .get("/down?n=4")
        .await
        .expect_json(200, json!({ "bottom": true }));
    limited(server.get("/down?n=5").await, 508, "DEPTH", 4);
    still_good(&server).await;
    memory_returns(&server, before).await;
}

#[tokio::test]
async fn calls_among_routes_cannot_deadlock() {
    let outer = "const inner = await fetch('/inner'); return { status: inner.status };";
    let inner = "await new Promise((r) => setTimeout(r, 50)); return 1;";
    let setup = guarded()
        .script("outer.ts", outer)
        .script("inner.ts", inner)
        .set("limits.instances", 2);
    let server = setup.start().await;
    server
        .get("/outer")
        .await
        .expect_json(200, json!({ "status": 200 }));
    // As many as there are instances: each still gets its neighbour.
    let both = join_all((0..2).map(|_| async { server.get("/outer").await })).await;
    for reply in both {
        reply.expect_json(200, json!({ "status": 200 }));
    }
    // Many more: each has an answer at once, a good one or that it is too busy.
    let many = join_all((0..40).map(|_| async { server.get("/outer").await })).await;
    assert!(many.iter().any(|reply| reply.status == 200));
    for reply in many.into_iter().filter(|reply| reply.status != 200) {
        let reply = reply.expect_header("retry-after", "1");
        limited(reply, 503, "INSTANCES", 2);
    }
    still_good(&server).await;
}

#[tokio::test]
async fn outbound_calls_are_counted() {
    let many = "const statuses = []; for (let i = 0; i < 8; i++) { try { statuses.push((await fetch('/good')).status) } \
                catch (error) { statuses.push(String(error.cause ?? error)) } } return statuses;";
    let at_once = "const all = await Promise.all(Array.from({ length: 5 }, () => fetch('/seen'))); \
                   return Math.max(...await Promise.all(all.map((one) => one.json())));";
    let seen = "const n = await kv.increment('in'); await new Promise((r) => setTimeout(r, 100)); \
                const most = Math.max(n, await kv.get('in')); await kv.increment('in', -1); return most;";
    let setup = guarded()
        .set("limits.outbound_calls", 5)
        .set("limits.outbound_concurrent", 2);
    let setup = setup
        .script("many.ts", many)
        .script("at-once.ts", at_once)
        .script("seen.ts", seen);
    let server = setup.start().await;
    let statuses = server.get("/many").await.expect(200).json();
    assert_eq!(statuses.as_array().unwrap()[..5], vec![json!(200); 5][..]);
    for refused in &statuses.as_array().unwrap()[5..] {
        assert!(
            refused
                .as_str()
                .is_some_and(|text| text.contains("LIMIT_OUTBOUND_CALLS")),
            "{statuses}"
        );
    }
    server.get("/at-once").await.expect_json(200, json!(2));
}

#[tokio::test]
async fn a_slow_upstream_does_not_outlive_the_wall_clock() {
    // Accepts, and never says anything.
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap();
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = upstream.accept().await {
            held.push(stream);
        }
    });
    let get = format!("const answer = await fetch('http://{address}/'); return answer.status;");
    let patient = format!(
        "try {{ await fetch('http://{address}/', {{ signal: AbortSignal.timeout(100) }}) }} catch (error) {{ return {{ name: error.name }} }}"
    );
    let setup = guarded()
        .set("egress.allow", "127.0.0.1")
        .script("get.ts", &get)
        .script("patient.ts", &patient);
    let server = setup.start().await;
    limited(server.get("/get").await, 504, "TIMEOUT", WALL_CLOCK_MS);
    server
        .get("/patient")
        .await
        .expect_json(200, json!({ "name": "TimeoutError" }));
    still_good(&server).await;
    silent.abort();
}

#[tokio::test]
async fn an_upstream_that_falls_silent_is_given_up() {
    // Sends a head and the start of a body, and then nothing.
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap();
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = upstream.accept().await {
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            let start = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nthe start";
            stream.write_all(start).await.unwrap();
            held.push(stream);
        }
    });
    let source = format!(
        "const answer = await fetch('http://{address}/');\n\
         try {{ return await answer.text() }} catch (error) {{ return {{ said: String(error) + String(error.cause) }} }}"
    );
    let server = guarded()
        .set("limits.wall_clock_ms", 60_000)
        .set("egress.allow", "127.0.0.1")
        .set("egress.between_bytes_ms", 100)
        .script("get.ts", &source)
        .start()
        .await;
    let answer = server.get("/get").await.expect(200).json();
    let said = answer["said"].as_str().expect("an error");
    assert!(said.contains("no answer within 100 ms"), "{said}");
    still_good(&server).await;
    silent.abort();
}

#[tokio::test]
async fn fifty_calls_are_under_way_at_once() {
    const CALLS: usize = 50;
    // It answers none of them before the last one has come.
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let mut waiting = Vec::new();
        while waiting.len() < CALLS {
            let (mut stream, _) = upstream.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            waiting.push(stream);
        }
        for mut stream in waiting {
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
        }
    });
    let source = format!(
        "const all = await Promise.all(Array.from({{ length: {CALLS} }}, () => fetch('http://{address}/').then((one) => one.text()))); \
         return all.filter((one) => one === 'ok').length"
    );
    let server = guarded()
        .set("limits.outbound_concurrent", CALLS)
        .set("limits.wall_clock_ms", 30_000)
        .set("egress.allow", "127.0.0.1")
        .script("all.ts", &source)
        .start()
        .await;
    server.get("/all").await.expect_json(200, json!(CALLS));
    serving.await.unwrap();
}
