//! Who sees and touches what.

use http::Method;
use serde_json::{Value, json};

use super::{add, get, id, never};
use crate::harness::{Reply, Server};

async fn token(server: &Server, alias: &str, permissions: &[&str]) -> Reply {
    let body = json!({ "alias": alias, "permissions": permissions });
    server
        .post("/api/v1/auth/tokens", body.to_string())
        .as_root()
        .await
}

async fn secret(server: &Server, alias: &str, permissions: &[&str]) -> String {
    let made = token(server, alias, permissions).await.expect(201).json();
    made["data"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn nobody_sees_or_touches_anothers_entries() {
    let server = Server::empty().start().await;
    let (alice, bob) = (
        secret(&server, "alice", &["cron"]).await,
        secret(&server, "bob", &["cron"]).await,
    );
    let entry = server
        .post("/users/me/entries", never("curl /x").to_string())
        .token(&alice)
        .await;
    let entry = entry.expect(201).json();
    assert_eq!(entry["user"], "alice");
    let run = format!("/users/me/entries/{}/run?wait=true", id(&entry));
    server.post(&run, "").token(&alice).await.expect(200);
    for user in ["me", "alice"] {
        for (method, below) in [
            (Method::GET, format!("entries/{}", id(&entry))),
            (Method::PATCH, format!("entries/{}", id(&entry))),
            (Method::DELETE, format!("entries/{}", id(&entry))),
            (Method::POST, format!("entries/{}/run", id(&entry))),
            (Method::GET, format!("entries/{}/runs", id(&entry))),
        ] {
            let target = format!("/users/{user}/{below}");
            let reply = server
                .request(method, &target)
                .token(&bob)
                .await
                .expect(404);
            let code = reply.json()["code"].clone();
            assert_eq!(
                code,
                if user == "me" {
                    "ENTRY_NOT_FOUND"
                } else {
                    "USER_NOT_FOUND"
                },
                "{target}"
            );
        }
    }
    for below in ["entries", "runs", "crontab"] {
        let target = format!("/users/alice/{below}");
        server
            .get(&target)
            .token(&bob)
            .await
            .expect_error(404, "USER_NOT_FOUND");
        server.get(&target).token(&alice).await.expect(200);
        get(&server, &target).await.expect(200);
    }
    let own = server
        .get("/users/me/runs")
        .token(&bob)
        .await
        .expect(200)
        .json();
    assert_eq!(own["runs"], json!([]));
    // The crontabs of all are those that one may see.
    let all = |reply: Reply| {
        let items = reply.expect(200).json()["items"]
            .as_array()
            .unwrap()
            .clone();
        items
            .into_iter()
            .map(|item| item["user"].clone())
            .collect::<Vec<Value>>()
    };
    assert_eq!(
        all(server.get("/crontab").token(&bob).await),
        Vec::<Value>::new()
    );
    assert_eq!(all(server.get("/crontab").token(&alice).await), ["alice"]);
    assert_eq!(all(get(&server, "/crontab").await), ["alice"]);
    // Deleted is deleted: the entry is still alice's alone.
    server
        .get(&format!("/users/me/entries/{}", id(&entry)))
        .token(&alice)
        .await
        .expect(200);
}

#[tokio::test]
async fn cron_needs_its_permission() {
    let server = Server::empty().start().await;
    let exec = secret(&server, "exec only", &["exec"]).await;
    server
        .get("/users/me/entries")
        .token(&exec)
        .await
        .expect_error(403, "FORBIDDEN");
    server
        .get("/crontab")
        .token(&exec)
        .await
        .expect_error(403, "FORBIDDEN");
}

#[tokio::test]
async fn a_token_may_be_for_a_user_that_is_there() {
    let server = Server::empty().start().await;
    let first = secret(&server, "alice", &["cron"]).await;
    let body = json!({ "alias": "alice's phone", "permissions": ["cron"], "user": "alice" });
    let second = server
        .post("/api/v1/auth/tokens", body.to_string())
        .as_root()
        .await;
    let second = second.expect(201).json();
    assert_eq!(second["data"]["user"], "alice");
    let made = server
        .post("/users/me/entries", never("curl /x").to_string())
        .token(&first)
        .await;
    let target = format!("/users/me/entries/{}", id(&made.expect(201).json()));
    server
        .get(&target)
        .token(second["data"]["token"].as_str().unwrap())
        .await
        .expect(200);
    // Nobody but root makes tokens for others, or takes theirs over.
    let manager = secret(&server, "manager", &["auth", "cron"]).await;
    let body = json!({ "alias": "mine", "permissions": ["cron"], "user": "alice" });
    server
        .post("/api/v1/auth/tokens", body.to_string())
        .token(&manager)
        .await
        .expect(403);
    let rotate = format!(
        "/api/v1/auth/tokens/{}/rotate",
        second["data"]["id"].as_str().unwrap()
    );
    server.post(&rotate, "").token(&manager).await.expect(403);
    for user in ["me", "..", "a b", "-x"] {
        let body = json!({ "alias": user, "permissions": ["cron"], "user": user });
        server
            .post("/api/v1/auth/tokens", body.to_string())
            .as_root()
            .await
            .expect(400);
    }
    let _ = add(&server, never("curl /x")).await;
}

#[tokio::test]
async fn what_a_user_left_is_not_for_whoever_makes_the_next_token() {
    let server = Server::empty().start().await;
    let alice = token(&server, "alice", &["cron"]).await.expect(201).json();
    let (alice, alice_id) = (&alice["data"]["token"], &alice["data"]["id"]);
    let made = server
        .post("/users/me/entries", never("curl /x").to_string())
        .token(alice.as_str().unwrap())
        .await;
    let entry = made.expect(201).json();
    let gone = format!("/api/v1/auth/tokens/{}", alice_id.as_str().unwrap());
    server
        .request(Method::DELETE, &gone)
        .as_root()
        .await
        .expect(200);
    let manager = secret(&server, "manager", &["auth", "cron"]).await;
    for body in [
        json!({ "alias": "alice", "permissions": ["cron"] }),
        json!({ "alias": "another", "permissions": ["cron"], "user": "alice" }),
    ] {
        let made = server
            .post("/api/v1/auth/tokens", body.to_string())
            .token(&manager)
            .await;
        made.expect(403);
    }
    // Root may give it to somebody.
    let again = secret(&server, "alice", &["cron"]).await;
    let target = format!("/users/me/entries/{}", id(&entry));
    server.get(&target).token(&again).await.expect(200);
}

#[tokio::test]
async fn a_token_for_some_users_does_not_count_for_others() {
    let server = Server::empty().start().await;
    let alice = secret(&server, "alice", &["cron"]).await;
    secret(&server, "bob", &["cron"]).await;
    let made = server
        .post("/users/me/entries", never("curl /x").to_string())
        .token(&alice)
        .await;
    made.expect(201);
    add(&server, never("curl /x")).await;
    let body = json!({
        "alias": "alice's helper", "permissions": ["*"], "user": "root", "users": ["alice"],
    });
    let made = server
        .post("/api/v1/auth/tokens", body.to_string())
        .as_root()
        .await;
    let helper = made.expect(201).json()["data"]["token"].clone();
    let helper = helper.as_str().unwrap();
    for below in ["entries", "runs", "crontab"] {
        let of = |user: &str| format!("/users/{user}/{below}");
        server.get(&of("alice")).token(helper).await.expect(200);
        // Not those of others, and not even those of its own user.
        for user in ["bob", "root", "me"] {
            server
                .get(&of(user))
                .token(helper)
                .await
                .expect_error(404, "USER_NOT_FOUND");
        }
    }
    let refused = server
        .post("/users/me/entries", never("curl /x").to_string())
        .token(helper)
        .await;
    refused.expect_error(404, "USER_NOT_FOUND");
    let all = server.get("/crontab").token(helper).await.expect(200);
    let all = all.json();
    assert_eq!(all["total"], 1, "{all}");
    assert_eq!(all["items"][0]["user"], "alice");
}
