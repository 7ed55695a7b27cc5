//! What a run does and what its row says.

use http::Method;
use serde_json::json;

use super::{ENTRIES, add, get, id, never, rows, run, send};
use crate::harness::Server;

#[tokio::test]
async fn a_route_is_called_in_process_and_its_row_says_how_it_went() {
    let script = "const h = req.headers; console.log('from cron');\n\
        return { method: req.method, body: req.body, entry: h['x-cron-entry'], run: h['x-cron-run'],\n\
        at: h['x-cron-scheduled-at'], attempt: h['x-cron-attempt'], agent: h['x-own'] }";
    let server = Server::with_script("certs/renew.ts", script).start().await;
    let command = r#"curl -fsS -X PUT -H "X-Own: it's" -H 'X-Cron-Run: forged' --json '{"a":1}' /scripts/certs/renew"#;
    let entry = add(&server, never(command)).await;
    let row = run(&server, &entry).await;
    assert_eq!(
        (&row["outcome"], &row["trigger"], &row["status"]),
        (&json!("ok"), &json!("manual"), &json!(200)),
        "{row:#}"
    );
    assert_eq!(
        (&row["attempt"], &row["late"], &row["asked_by"]),
        (&json!(1), &json!(false), &json!("root"))
    );
    assert_eq!(
        (&row["entry_id"], &row["user"], &row["command"]),
        (&entry["id"], &json!("root"), &json!(command))
    );
    assert_eq!(row["schedule"], entry["schedule"]);
    assert!(row["fuel_used"].as_u64().unwrap() > 0, "{row:#}");
    assert!(row["memory_peak_bytes"].as_u64().unwrap() > 0);
    assert!(row["duration_ms"].as_i64().unwrap() >= 0);
    let answer: serde_json::Value =
        serde_json::from_str(row["output"]["first"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&answer["method"], &answer["body"], &answer["agent"]),
        (&json!("PUT"), &json!({ "a": 1 }), &json!("it's"))
    );
    assert_eq!(
        (&answer["entry"], &answer["run"], &answer["attempt"]),
        (&entry["id"], &row["id"], &json!("1"))
    );
    assert_eq!(
        answer["at"].as_str().unwrap()[..19],
        row["scheduled_at"].as_str().unwrap()[..19]
    );
    assert_eq!(rows(&server, &entry).await, std::slice::from_ref(&row));
    // The other logs carry the same name.
    let request = row["request_id"].as_str().unwrap();
    let search = json!({ "query": request });
    let found = send(&server, Method::POST, "/api/v1/exec/logs/search", search)
        .await
        .expect(200)
        .text();
    assert!(
        found.contains("from cron") && found.contains("schedule"),
        "{found}"
    );
}

#[tokio::test]
async fn what_goes_on_after_the_answer_is_in_the_row() {
    let script = "export default { fetch(request, env, ctx) {\n\
        ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 200)));\n\
        return new Response('soon') } }";
    let server = Server::with_script("on.ts", script).start().await;
    let entry = add(&server, never("curl /on")).await;
    let row = run(&server, &entry).await;
    assert_eq!(row["output"]["first"], "soon", "{row:#}");
    assert!(
        row["fuel_used"].as_u64().is_some_and(|fuel| fuel > 0),
        "{row:#}"
    );
}

#[tokio::test]
async fn failures_are_told_apart() {
    let server = Server::with_scripts(&[
        ("ok.ts", "return 1"),
        ("bad.ts", "res.status(500); return { error: 'no' }"),
        (
            "hang.ts",
            "await new Promise((resolve) => setTimeout(resolve, 20000)); return 1",
        ),
        (
            "moved.ts",
            "return new Response(null, { status: 302, headers: { location: '/ok' } })",
        ),
        (
            "loop.ts",
            "return new Response(null, { status: 302, headers: { location: '/loop' } })",
        ),
        ("large.ts", "return 'a'.repeat(5000) + 'b'.repeat(5000)"),
    ])
    .start()
    .await;
    let cases = [
        ("curl /ok", "ok", json!(200)),
        ("curl /bad", "error", json!(500)),
        ("curl /nothing", "error", json!(404)),
        ("curl --max-time 0.2 /hang", "timeout", json!(null)),
        ("curl /moved", "ok", json!(302)),
        ("curl -L /moved", "ok", json!(200)),
        ("curl -L /loop", "error", json!(null)),
        // Not ours, and egress refuses loopback.
        ("curl http://127.0.0.1:1/", "error", json!(null)),
        ("curl http://metadata.invalid/", "error", json!(null)),
    ];
    for (command, outcome, status) in cases {
        let entry = add(&server, never(command)).await;
        let row = run(&server, &entry).await;
        assert_eq!(
            (&row["outcome"], &row["status"]),
            (&json!(outcome), &status),
            "{command}: {row:#}"
        );
        assert_eq!(
            row["error"].is_null(),
            outcome == "ok",
            "{command}: {row:#}"
        );
    }
    // The first and the last 4 KiB.
    let entry = add(&server, never("curl /large")).await;
    let output = run(&server, &entry).await["output"].clone();
    assert_eq!(output["bytes"], 10_000);
    assert_eq!(output["first"], "a".repeat(4096));
    assert_eq!(output["last"], "b".repeat(4096));
    // The head too, or nothing.
    let entry = add(&server, never("curl -i -o /dev/null /ok")).await;
    let output = run(&server, &entry).await["output"]["first"].clone();
    assert!(
        output.as_str().unwrap().starts_with("HTTP/1.1 200 OK\r\n"),
        "{output}"
    );
}

#[tokio::test]
async fn our_own_addresses_are_called_in_process() {
    let server = Server::with_script(
        "ip.ts",
        "return { ip: metadata.clientIp ?? null, host: req.headers.host }",
    )
    .set("cron.hosts", "exec.example.org")
    .start()
    .await;
    for url in [
        format!("http://{}/ip", server.address()),
        "https://exec.example.org/scripts/ip".to_owned(),
    ] {
        let entry = add(&server, never(&format!("curl {url}"))).await;
        let row = run(&server, &entry).await;
        assert_eq!(row["outcome"], "ok", "{row:#}");
        assert!(row["request_id"].is_string());
    }
}

#[tokio::test]
async fn failed_attempts_are_repeated() {
    let flaky = "const n = await kv.increment('n', 1); if (n < 3) { res.status(503); return n } return { n, attempt: req.headers['x-cron-attempt'] }";
    let server = Server::with_script("flaky.ts", flaky).start().await;
    let mut entry = never("curl /flaky");
    entry["retries"] = 2.into();
    entry["retry_backoff_seconds"] = 0.into();
    let entry = add(&server, entry).await;
    let row = run(&server, &entry).await;
    assert_eq!(
        (&row["outcome"], &row["attempt"]),
        (&json!("ok"), &json!(3)),
        "{row:#}"
    );
    assert!(
        row["output"]["first"]
            .as_str()
            .unwrap()
            .contains("\"attempt\":\"3\"")
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_called() {
    let server = Server::with_script("x.ts", "await kv.set('ran', '1'); return 1")
        .start()
        .await;
    let entry = add(&server, never("curl -u me:secret -d a=1 /x")).await;
    let target = format!("{ENTRIES}/{}/run?dry_run=true", id(&entry));
    let reply = server.post(&target, "").as_root().await.expect(200);
    assert!(!reply.text().contains("secret"));
    let would = &reply.json()["would"];
    assert_eq!(
        (&would["call"], &would["method"], &would["url"]),
        (&json!("route"), &json!("POST"), &json!("/x"))
    );
    assert!(rows(&server, &entry).await.is_empty());
    // A URL of this server is a route too, and the shorter time counts.
    let own = format!("http://{}/x", server.address());
    let elsewhere = "http://example.com/x";
    for (line, call, seconds) in [
        (format!("curl --max-time 2.5 {own}"), "route", json!(2.5)),
        (format!("curl -m 9999 {elsewhere}"), "url", json!(600)),
    ] {
        let entry = add(&server, never(&line)).await;
        let target = format!("{ENTRIES}/{}/run?dry_run=true", id(&entry));
        let reply = server.post(&target, "").as_root().await.expect(200).json();
        let would = &reply["would"];
        assert_eq!(
            (&would["call"], &would["timeout_seconds"]),
            (&json!(call), &seconds),
            "{line}"
        );
    }
}

#[tokio::test]
async fn rows_are_listed_by_time_and_outcome_with_a_cursor() {
    let server = Server::with_script("ok.ts", "return 1").start().await;
    let (good, bad) = (
        add(&server, never("curl /ok")).await,
        add(&server, never("curl /no")).await,
    );
    for _ in 0..3 {
        run(&server, &good).await;
        run(&server, &bad).await;
    }
    let list = async |query: &str| {
        get(&server, &format!("/users/me/runs?{query}"))
            .await
            .expect(200)
            .json()
    };
    let count = |list: &serde_json::Value| list["runs"].as_array().unwrap().len();
    let all = list("").await;
    assert_eq!(count(&all), 6);
    let times: Vec<&str> = all["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["scheduled_at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    assert_eq!(count(&list("outcome=error").await), 3);
    assert_eq!(count(&list("outcome=error,ok").await), 6);
    assert_eq!(count(&list("outcome=skipped").await), 0);
    assert_eq!(count(&list(&format!("since={}", times[2])).await), 3);
    assert_eq!(count(&list(&format!("until={}", times[2])).await), 3);
    let mut seen = Vec::new();
    let mut query = "limit=4".to_owned();
    loop {
        let page = list(&query).await;
        seen.extend(
            page["runs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["id"].clone()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("limit=4&cursor={cursor}"),
            None => break,
        }
    }
    let expected: Vec<_> = all["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].clone())
        .collect();
    assert_eq!(seen, expected);
    // Rows outlive their entry.
    send(
        &server,
        Method::DELETE,
        &format!("{ENTRIES}/{}", id(&bad)),
        json!({}),
    )
    .await
    .expect(200);
    assert_eq!(rows(&server, &bad).await.len(), 3);
}

#[tokio::test]
async fn a_programs_home_is_its_folder_where_the_data_folder_is_relative() {
    let setup = Server::empty().set("cron.shell", true);
    let here = std::env::current_dir().unwrap();
    let to_root = "../".repeat(here.components().count() - 1);
    let data = format!("{to_root}.{}", setup.data().display());
    let server = setup.argument("--data").argument(&data).start().await;
    let entry = add(&server, never("[ \"$HOME\" -ef . ]")).await;
    let row = run(&server, &entry).await;
    assert_eq!(row["outcome"], "ok", "{row:#}");
}

#[tokio::test]
async fn programs_run_only_where_they_are_allowed() {
    let server = Server::with_script("x.ts", "return 1")
        .set("cron.shell", true)
        .start()
        .await;
    let of = async |command: &str| {
        let mut entry = never(command);
        entry["timeout_seconds"] = 2.into();
        let entry = add(&server, entry).await;
        run(&server, &entry).await
    };
    let row = of("echo out; echo err >&2; env | sort; pwd; exit 3").await;
    assert_eq!(
        (&row["outcome"], &row["exit_code"]),
        (&json!("error"), &json!(3)),
        "{row:#}"
    );
    let output = row["output"]["first"].as_str().unwrap();
    assert!(output.contains("out") && output.contains("err"), "{output}");
    assert!(
        output.contains("CRON_RUN=") && output.contains("CRON_SCHEDULED_AT="),
        "{output}"
    );
    assert!(
        !output.contains("FOOTPATH_TOKEN"),
        "the server's own environment is not theirs: {output}"
    );
    assert!(
        output.contains(&server.data().join("cron").display().to_string()),
        "{output}"
    );
    assert_eq!(of("true").await["outcome"], "ok");
    // What it started ends with it.
    let marker = server.data().join("cron/late");
    let row = of("(sleep 4; touch late) & sleep 30").await;
    assert_eq!(row["outcome"], "timeout", "{row:#}");
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert!(!marker.exists(), "its child lives on");
}

#[tokio::test]
async fn other_hosts_are_called_through_the_filter() {
    let other = Server::with_script("echo.ts", "return { host: req.headers.host, run: req.headers['x-cron-run'], auth: req.headers.authorization ?? null }")
        .script("away.ts", "return new Response(null, { status: 307, headers: { location: 'http://localhost:' + req.headers.host.split(':')[1] + '/echo' } })")
        .start()
        .await;
    let address = other.address();
    let server = Server::empty()
        .set(
            "egress.allow",
            format!("127.0.0.1:{},localhost:{}", address.port(), address.port()),
        )
        .start()
        .await;
    let entry = add(
        &server,
        never(&format!("curl -u me:secret http://{address}/echo")),
    )
    .await;
    let row = run(&server, &entry).await;
    assert_eq!(row["outcome"], "ok", "{row:#}");
    let answer: serde_json::Value =
        serde_json::from_str(row["output"]["first"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&answer["host"], &answer["run"]),
        (&json!(address.to_string()), &row["id"])
    );
    assert!(answer["auth"].as_str().unwrap().starts_with("Basic "));
    assert_eq!(
        (&row["request_id"], &row["fuel_used"]),
        (&json!(null), &json!(null))
    );
    // Credentials do not follow a redirect to another host.
    let entry = add(
        &server,
        never(&format!("curl -L -u me:secret http://{address}/away")),
    )
    .await;
    let row = run(&server, &entry).await;
    let answer: serde_json::Value =
        serde_json::from_str(row["output"]["first"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&row["outcome"], &answer["auth"]),
        (&json!("ok"), &json!(null)),
        "{row:#}"
    );
}
