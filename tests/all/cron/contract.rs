//! Paths, fields, statuses and codes.

use http::Method;
use serde_json::{Value, json};

use super::{ENTRIES, add, get, id, never, send};
use crate::harness::Server;

#[tokio::test]
async fn an_entry_is_there_until_it_is_deleted() {
    let mut server = Server::empty().start().await;
    let entry = json!({
        "schedule": "0 4 * * 0", "command": "curl -fsS https://exec.containers.hoody.com/scripts/certs/renew",
        "comment": "weekly TLS renewal", "enabled": true,
    });
    // Without a content type, as `curl -d` without -H never is: any will do.
    let made = server
        .post(ENTRIES, entry.to_string())
        .as_root()
        .await
        .expect(201);
    let tag = made.header("etag").unwrap().to_owned();
    let made = made.json();
    for (field, expected) in [
        ("schedule", json!("0 4 * * 0")),
        ("enabled", json!(true)),
        ("user", json!("root")),
        ("name", Value::Null),
        ("comment", json!("weekly TLS renewal")),
        ("expired", json!(false)),
        ("expires_at", Value::Null),
        ("timezone", json!("UTC")),
    ] {
        assert_eq!(made[field], expected, "{field}");
    }
    assert!(!made["schedule_human"].as_str().unwrap().is_empty());
    assert_eq!(made["next_runs"].as_array().unwrap().len(), 5);
    assert!(
        made["next_runs"][0]
            .as_str()
            .unwrap()
            .ends_with("T04:00:00+00:00")
    );

    server.restart().await;
    let target = format!("{ENTRIES}/{}", id(&made));
    let read = get(&server, &target)
        .await
        .expect(200)
        .expect_header("etag", &tag);
    assert_eq!(read.json(), made);
    let elsewhere = format!("/api/v1/cron/users/root/entries/{}", id(&made));
    assert_eq!(get(&server, &elsewhere).await.expect(200).json(), made);

    let list = get(&server, ENTRIES).await.expect(200).json();
    assert_eq!(
        (&list["total"], &list["page"], &list["limit"]),
        (&json!(1), &json!(1), &json!(50))
    );
    let listed = &list["entries"][0];
    assert_eq!(
        (&listed["type"], &listed["id"]),
        (&json!("managed"), &made["id"])
    );
    assert_eq!(listed.get("user"), None);

    let gone = send(&server, Method::DELETE, &target, json!({})).await;
    gone.expect_json(200, json!({ "deleted": true }));
    get(&server, &target)
        .await
        .expect_error(404, "ENTRY_NOT_FOUND");
    server.restart().await;
    get(&server, &target)
        .await
        .expect_error(404, "ENTRY_NOT_FOUND");
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name() {
    let server = Server::empty().start().await;
    let entry = json!({
        "schedule": "@daily", "command": "curl /x", "name": "n", "comment": "c",
        "expires_at": "2999-01-01T00:00:00Z", "timezone": "Asia/Kathmandu",
    });
    let made = add(&server, entry).await;
    assert_eq!(made["expires_at"], "2999-01-01T00:00:00.000Z");
    assert!(
        made["next_run"]
            .as_str()
            .unwrap()
            .ends_with("T00:00:00+05:45")
    );
    let target = format!("{ENTRIES}/{}", id(&made));
    let patch = async |body| {
        send(&server, Method::PATCH, &target, body)
            .await
            .expect(200)
            .json()
    };
    let changed = patch(json!({ "enabled": false, "name": null })).await;
    for (field, expected) in [
        ("enabled", json!(false)),
        ("name", Value::Null),
        ("comment", json!("c")),
        ("expires_at", made["expires_at"].clone()),
        ("timezone", json!("Asia/Kathmandu")),
        ("next_runs", json!([])),
    ] {
        assert_eq!(changed[field], expected, "{field}");
    }
    let cleared =
        patch(json!({ "clear_expiration": true, "expires_at": "2998-01-01T00:00:00Z" })).await;
    assert_eq!(cleared["expires_at"], Value::Null);
    let preview = send(
        &server,
        Method::PATCH,
        &format!("{target}?dry_run=true"),
        json!({ "schedule": "@hourly" }),
    )
    .await;
    assert_eq!(preview.expect(200).json()["schedule"], "@hourly");
    assert_eq!(get(&server, &target).await.json()["schedule"], "@daily");
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_told_to_read_again() {
    let server = Server::empty().start().await;
    let made = server
        .post(ENTRIES, never("curl /x").to_string())
        .as_root()
        .await
        .expect(201);
    let tag = made.header("etag").unwrap().to_owned();
    let target = format!("{ENTRIES}/{}", id(&made.json()));
    let patch = |name: &str| {
        let body = json!({ "name": name });
        server
            .request(Method::PATCH, &target)
            .as_root()
            .header("if-match", &tag)
            .json(&body)
    };
    let (one, other) = tokio::join!(patch("one"), patch("other"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let delete = server
        .request(Method::DELETE, &target)
        .as_root()
        .header("if-match", &tag);
    delete.await.expect_error(412, "PRECONDITION_FAILED");
}

#[tokio::test]
async fn what_is_wrong_has_its_code() {
    let server = Server::empty().start().await;
    let long = |length| "x".repeat(length);
    let cases = [
        (json!({}), 400, "INVALID_SCHEDULE"),
        (json!({ "schedule": 5 }), 400, "INVALID_SCHEDULE"),
        (
            json!({ "schedule": "0 0 4 * * 0", "command": "curl /x" }),
            400,
            "INVALID_SCHEDULE",
        ),
        (
            json!({ "schedule": "@reboot", "command": "curl /x" }),
            400,
            "INVALID_SCHEDULE",
        ),
        (
            json!({ "schedule": "0 0 30 2 *", "command": "curl /x" }),
            400,
            "INVALID_SCHEDULE",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "timezone": "Mars" }),
            400,
            "INVALID_SCHEDULE",
        ),
        (json!({ "schedule": "@daily" }), 400, "INVALID_COMMAND"),
        (
            json!({ "schedule": "@daily", "command": "bash x" }),
            400,
            "INVALID_COMMAND",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl --proxy x /x" }),
            400,
            "INVALID_COMMAND",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x\ncurl /y" }),
            400,
            "INVALID_COMMAND",
        ),
        (
            json!({ "schedule": "@daily", "command": format!("curl /{}", long(4092)) }),
            400,
            "INVALID_COMMAND",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "name": long(121) }),
            400,
            "INVALID_COMMAND",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "comment": long(501) }),
            400,
            "INVALID_COMMENT",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "comment": "a\u{2028}" }),
            400,
            "INVALID_COMMENT",
        ),
        (
            json!({ "schedule": "0 4 * * 0\u{7}", "command": "curl /x" }),
            400,
            "INVALID_SCHEDULE",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x\u{b}" }),
            400,
            "INVALID_COMMAND",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x\u{0}" }),
            400,
            "INVALID_COMMAND",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "name": "a\u{85}b" }),
            400,
            "INVALID_COMMAND",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "expires_at": "soon" }),
            400,
            "INVALID_EXPIRES_AT",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "expires_at": 5 }),
            400,
            "INVALID_EXPIRES_AT",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "expires_at": "2020-01-01T00:00:00Z" }),
            400,
            "EXPIRES_IN_PAST",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "overlap": "maybe" }),
            400,
            "INVALID_POLICY",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "retries": 99 }),
            400,
            "INVALID_POLICY",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "jitter_seconds": "some" }),
            400,
            "INVALID_POLICY",
        ),
        (
            json!({ "schedule": "@daily", "command": "curl /x", "colour": "red" }),
            400,
            "INVALID_REQUEST",
        ),
    ];
    for (body, status, code) in cases {
        let reply = send(&server, Method::POST, ENTRIES, body.clone()).await;
        assert_eq!(reply.json()["code"], code, "{body}: {reply:?}");
        let reply = reply.expect(status).json();
        let mut names: Vec<&String> = reply.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, ["code", "details", "message"]);
    }
    let wrong = json!({ "schedule": "0 4 * 13 0", "command": "curl /x" });
    let wrong = send(&server, Method::POST, ENTRIES, wrong)
        .await
        .expect(400)
        .json();
    assert_eq!(
        (&wrong["details"]["field"], &wrong["details"]["position"]),
        (&json!("month"), &json!(7))
    );
    for (target, code) in [
        ("/users/me/entries?page=0", "INVALID_PAGINATION"),
        ("/users/me/entries?limit=201", "INVALID_PAGINATION"),
        ("/users/me/entries?limit=x", "INVALID_PAGINATION"),
        ("/users/me/entries?limit=-1", "INVALID_PAGINATION"),
        ("/users/me/runs?limit=0", "INVALID_PAGINATION"),
        ("/users/me/runs?outcome=fine", "INVALID_FILTER"),
        ("/users/me/runs?since=monday", "INVALID_FILTER"),
        ("/users/me/runs?cursor=zz", "INVALID_FILTER"),
        ("/users/-a/entries", "INVALID_USER"),
        ("/users/%2e%2e/entries", "INVALID_USER"),
        ("/users/a%20b/entries", "INVALID_USER"),
    ] {
        get(&server, target).await.expect_error(400, code);
    }
    get(&server, "/users/nobody/entries")
        .await
        .expect_error(404, "USER_NOT_FOUND");
    get(&server, "/users/me/entries/nothing")
        .await
        .expect_error(404, "ENTRY_NOT_FOUND");
    get(&server, "/users/me/entries/nothing/runs")
        .await
        .expect_error(404, "ENTRY_NOT_FOUND");
    get(&server, "/api/v1/cron/nothing")
        .await
        .expect_error(404, "NOT_FOUND");
    server
        .post(ENTRIES, "{")
        .as_root()
        .await
        .expect_error(400, "INVALID_REQUEST");
    server.get(ENTRIES).await.expect_error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn entries_come_in_pages() {
    let server = Server::empty().start().await;
    for number in 0..5 {
        let mut entry = never("curl /x");
        entry["name"] = number.to_string().into();
        add(&server, entry).await;
    }
    let page = get(&server, "/users/me/entries?limit=2&page=3")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&page["total"], &page["page"], &page["limit"]),
        (&json!(5), &json!(3), &json!(2))
    );
    let names: Vec<&Value> = page["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(names, ["4"]);
}

#[tokio::test]
async fn health_has_the_words_of_cron() {
    let server = Server::empty().start().await;
    for target in ["/health", "/api/v1/cron/health"] {
        let health = server
            .get(target)
            .header("user-agent", "tests")
            .await
            .expect(200)
            .json();
        assert_eq!(
            (&health["status"], &health["user_agent"]),
            (&json!("ok"), &json!("tests"))
        );
        assert_eq!(health.as_object().unwrap().len(), 9);
    }
}

#[tokio::test]
async fn the_document_is_there_for_cron_too() {
    let server = Server::empty().start().await;
    for format in ["json", "yaml"] {
        let whole = server.get(&format!("/openapi.{format}")).await.expect(200);
        let of_cron = server.get(&format!("/api/v1/cron/openapi.{format}")).await;
        assert_eq!(of_cron.expect(200).text(), whole.text());
        assert!(whole.text().contains("/users/{user}/entries"));
    }
}

#[tokio::test]
async fn a_script_may_answer_at_health() {
    let server = Server::with_scripts(&[
        ("[...rest].ts", "return 'rest'"),
        ("users/me/entries.ts", "return 'mine'"),
    ]);
    let server = server.start().await;
    assert_eq!(
        server.get("/health").await.expect(200).json()["status"],
        "ok"
    );
    server.save("health.ts", "return 'mine'");
    server
        .until("/health", |reply| reply.text() == "mine")
        .await;
    // All else is not to be taken over: tokens are shown there.
    server.get("/users/me/entries").await.expect(401);
}
