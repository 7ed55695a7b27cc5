//! `@schedule` in scripts, and the exec API's words for it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::time::at;
use super::{ENTRIES, get};
use crate::harness::Reply;
use crate::harness::{PATIENCE, Server};

async fn list(server: &Server) -> Vec<Value> {
    let list = get(server, "/api/v1/exec/schedules/list")
        .await
        .expect(200)
        .json();
    let schedules = list["schedules"].as_array().unwrap().clone();
    assert_eq!(list["total"], schedules.len());
    schedules
}

async fn list_until(server: &Server, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let list = list(server).await;
        if wanted(&list) {
            return list;
        }
        assert!(Instant::now() < deadline, "still {list:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn post(server: &Server, operation: &str, body: Value) -> Value {
    let reply = server
        .post(&format!("/api/v1/exec/schedules/{operation}"), "")
        .as_root()
        .json(&body)
        .await;
    reply.expect(200).json()
}

#[tokio::test]
async fn a_script_runs_on_its_own_schedule() {
    let script = "// @schedule * * * * *\n// @schedule-timeout 2m\n// @token hush\n\
                  return { run: req.headers['x-cron-run'], ip: metadata.clientIp ?? null }";
    let setup = Server::with_scripts(&[("jobs/[id].ts", script), ("plain.ts", "return 1")]);
    let (setup, clock) = at!(setup, "2026-03-01 00:00:05");
    let server = setup.start().await;
    let schedules = list_until(&server, |list| !list.is_empty()).await;
    let one = &schedules[0];
    for (field, expected) in [
        ("scriptPath", json!("1/jobs/[id].ts")),
        ("scriptRel", json!("jobs/[id].ts")),
        ("execId", json!("1")),
        ("subdomain", json!("default")),
        ("expression", json!("* * * * *")),
        ("timeoutMs", json!(120_000)),
        ("nextFire", json!("2026-03-01T00:01:00.000Z")),
    ] {
        assert_eq!(one[field], expected, "{field}");
    }
    clock.set("2026-03-01 00:00:58");
    let done = |list: &[Value]| list[0]["lastFireStatus"] == "ok";
    let one = list_until(&server, done).await.remove(0);
    let history = get(
        &server,
        "/api/v1/exec/schedules/history?scriptPath=jobs/%5Bid%5D.ts",
    )
    .await;
    let history = history.expect(200).json();
    assert_eq!(history["total"], 1);
    let row = &history["entries"][0];
    assert_eq!(
        (&row["runId"], &row["status"], &row["ts"]),
        (
            &one["lastFireRunId"],
            &json!("ok"),
            &json!("2026-03-01T00:01:00.000Z")
        )
    );
    assert_eq!(row["expression"], one["expression"]);
    assert!(
        row["returnPreview"]
            .as_str()
            .unwrap()
            .contains(row["runId"].as_str().unwrap())
    );
    // They are nobody's entries.
    assert_eq!(get(&server, ENTRIES).await.json()["total"], 0);
    get(&server, "/users/@scripts/entries")
        .await
        .expect_error(400, "INVALID_USER");
}

#[tokio::test]
async fn schedules_follow_the_scripts() {
    let server = Server::empty().start().await;
    assert!(list(&server).await.is_empty());
    server.save("a.ts", "// @schedule @daily\nreturn 1");
    let first = list_until(&server, |list| list.len() == 1).await.remove(0);
    server.save("a.ts", "// @schedule 0 5 * * *\nreturn 2");
    let second = list_until(&server, |list| list[0]["expression"] == "0 5 * * *")
        .await
        .remove(0);
    assert_eq!(first["registeredAt"], second["registeredAt"]);
    server.save("a.ts", "// @schedule */0 5 * * *\nreturn 2");
    server.logs("@schedule is no schedule").await;
    assert!(list_until(&server, <[Value]>::is_empty).await.is_empty());
    let failed = &post(&server, "reload", json!({})).await["failed"];
    assert_eq!(failed[0]["scriptPath"], "1/a.ts");
    let error = failed[0]["error"].as_str().unwrap();
    assert!(error.contains("(position 3)"), "{error}");
    server.save("b.ts", "// @schedule @hourly\nreturn 2");
    list_until(&server, |list| list.len() == 1).await;
    let reload = post(&server, "reload", json!({ "dry_run": true })).await;
    assert_eq!(
        (&reload["kept"], &reload["added"], &reload["removed"]),
        (&json!(["1/b.ts"]), &json!([]), &json!([]))
    );
    server.remove("b.ts");
    list_until(&server, <[Value]>::is_empty).await;
}

#[tokio::test]
async fn a_scheduled_script_can_be_triggered() {
    let server = Server::with_scripts(&[
        ("a.ts", "// @schedule 0 0 29 2 *\nreturn 1"),
        ("bad.ts", "// @schedule 0 0 29 2 *\nthrow new Error('no')"),
        (
            "off.ts",
            "// @schedule 0 0 29 2 *\n// @enabled false\nreturn 1",
        ),
        ("plain.ts", "return 1"),
    ])
    .start()
    .await;
    list_until(&server, |list| list.len() == 3).await;
    for (script, triggered, status) in [
        ("a.ts", true, "ok"),
        ("bad.ts", true, "error"),
        ("off.ts", false, "disabled"),
        ("plain.ts", false, "unregistered"),
        ("nothing.ts", false, "unregistered"),
    ] {
        let reply = post(&server, "trigger", json!({ "scriptPath": script })).await;
        assert_eq!(
            (&reply["triggered"], &reply["status"]),
            (&json!(triggered), &json!(status)),
            "{script}: {reply:#}"
        );
        assert_eq!(reply["scriptPath"], format!("1/{script}"));
    }
    let forced = json!({ "scriptPath": "off.ts", "force": true });
    assert_eq!(post(&server, "trigger", forced).await["status"], "ok");
    let history = get(&server, "/api/v1/exec/schedules/history")
        .await
        .expect(200)
        .json();
    assert_eq!(history["total"], 3);
}

#[tokio::test]
async fn a_token_for_one_deployment_sees_no_schedules_of_others() {
    let script = "// @schedule 0 0 29 2 *\nreturn 1";
    let server = Server::with_script("mine.ts", script)
        .file("2/theirs.ts", script)
        .start()
        .await;
    list_until(&server, |list| list.len() == 2).await;
    for (exec_id, script) in [("1", "mine.ts"), ("2", "theirs.ts")] {
        let body = json!({ "scriptPath": script, "execId": exec_id });
        assert_eq!(post(&server, "trigger", body).await["status"], "ok");
    }
    let body = json!({ "alias": "one", "permissions": ["exec"], "deployments": ["1"] });
    let made = server
        .post("/api/v1/auth/tokens", body.to_string())
        .as_root()
        .await;
    let token = made.expect(201).json()["data"]["token"].clone();
    let token = token.as_str().unwrap();
    let get = async |target: &str| -> Reply {
        let target = format!("/api/v1/exec/schedules/{target}");
        server.get(&target).token(token).await
    };
    let paths = |reply: Reply, field: &str| -> Vec<Value> {
        let reply = reply.expect(200).json();
        let rows = reply[field].as_array().unwrap();
        assert_eq!(reply["total"], rows.len());
        rows.iter().map(|row| row["scriptPath"].clone()).collect()
    };
    assert_eq!(paths(get("list").await, "schedules"), ["1/mine.ts"]);
    assert_eq!(paths(get("history").await, "entries"), ["1/mine.ts"]);
    let whole = super::get(&server, "/api/v1/exec/schedules/history").await;
    assert_eq!(paths(whole, "entries"), ["2/theirs.ts", "1/mine.ts"]);
    for theirs in [
        "list?execId=2",
        "history?execId=2",
        "history?execId=2&scriptPath=theirs.ts",
    ] {
        get(theirs).await.expect(403);
    }
    let send = async |operation: &str, body: Value| {
        let target = format!("/api/v1/exec/schedules/{operation}");
        server.post(&target, "").token(token).json(&body).await
    };
    send(
        "trigger",
        json!({ "scriptPath": "theirs.ts", "execId": "2" }),
    )
    .await
    .expect(403);
    let reload = send("reload", json!({ "dry_run": true })).await;
    assert_eq!(reload.expect(200).json()["kept"], json!(["1/mine.ts"]));
}
