//! The whole promise, from a row of cron to a handshake and back to a rotated URL.
//! `make demo-renew` runs this and shows the steps.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::authority::serial_shown;
use super::{CERTS, RENEW, certificate, token};
use crate::harness::Server;

/// As it is printed in the promise.
const ROW: &str = r#"{
  "schedule": "0 4 * * 0",
  "command": "curl -fsS https://exec.containers.hoody.com/scripts/certs/renew",
  "comment": "weekly TLS renewal",
  "enabled": true
}"#;
const ENTRIES: &str = "/users/me/entries";

#[tokio::test]
async fn a_row_of_cron_renews_and_one_query_follows_it_to_the_handshake() {
    let authority = authority!();
    let begun = Instant::now();
    let server = authority.asked_by(Server::with_script("certs/renew.ts", RENEW));
    let server = server
        .set("cron.hosts", "exec.containers.hoody.com")
        .start()
        .await;
    let before = serial_shown(authority.https, "your-app.com");
    println!(
        "1. Pebble at {}, footpath at {}",
        authority.directory,
        server.address()
    );

    let made = server.post(ENTRIES, ROW).as_root().await.expect(201).json();
    let entry = made["id"].as_str().expect("an id").to_owned();
    println!(
        "2. POST {ENTRIES} -> 201 {}",
        json!({ "id": entry, "next_run": made["next_run"] })
    );

    let run = format!("{ENTRIES}/{entry}/run?wait=true");
    let run = server.post(&run, "").as_root().await.expect(200).json();
    assert_eq!(
        (&run["outcome"], &run["status"]),
        (&json!("ok"), &json!(200)),
        "{run}"
    );
    println!(
        "3. the run -> {}",
        json!({ "id": run["id"], "outcome": run["outcome"], "output": run["output"] })
    );

    for domain in ["your-app.com", "api.your-app.com"] {
        let shown = serial_shown(authority.https, domain);
        assert_ne!(shown, before);
        println!("4. openssl s_client -servername {domain} -> serial {shown}");
        // One query: run -> request -> order -> generation -> first handshake.
        let known = certificate(&server, domain).await;
        let trace = &known["trace"];
        assert_eq!(known["serial"], shown);
        assert_eq!(
            (&trace["cron_entry_id"], &trace["cron_run_id"]),
            (&json!(entry), &run["id"])
        );
        assert_eq!(trace["execution_id"], run["request_id"]);
        assert!(
            trace["order_url"]
                .as_str()
                .unwrap()
                .starts_with("https://localhost:")
        );
        assert_eq!(trace["generation"], 1);
        assert!(trace["first_handshake_at"].is_string());
        println!("5. GET {CERTS}/{domain} -> {trace:#}");
    }
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "the cycle takes under a minute"
    );

    // Both logs have their row, and the access log says who.
    let runs = server.get(&format!("{ENTRIES}/{entry}/runs")).as_root();
    let runs = runs.await.expect(200).json();
    assert_eq!(runs["runs"][0]["asked_by"], "root");
    let execution = run["request_id"].as_str().unwrap();
    assert!(server.log().contains(execution));

    let (id, secret) = token(&server, "exec:run").await;
    let url = format!("/scripts/certs/renew?token={secret}");
    let rehearsed = server.get(&format!("{url}&dry_run=true")).await.expect(200);
    let would = rehearsed
        .header("x-dry-run")
        .expect("what it would do")
        .to_owned();
    assert!(would.contains("is not due until"), "{would}");
    println!("6. GET /scripts/certs/renew?token=…&dry_run=true -> 200, X-Dry-Run: {would}");

    let rotate = format!("/api/v1/auth/tokens/{id}/rotate");
    let rotated = server.request(Method::POST, &rotate).as_root().await;
    let new: Value = rotated.expect(200).json()["data"]["token"].clone();
    server.get(&url).await.expect(401);
    let new = format!("/scripts/certs/renew?token={}", new.as_str().unwrap());
    server
        .get(&new)
        .await
        .expect_json(200, json!({ "renewed": 2 }));
    println!("7. POST {rotate} -> the old URL answers 401, the new one 200");

    // From outside, headers say nothing about cron.
    let forged = server
        .get(&new)
        .header("x-cron-entry", "e")
        .header("x-cron-run", "r");
    forged.await.expect(200);
    assert_eq!(
        certificate(&server, "your-app.com").await["trace"]["cron_run_id"],
        run["id"]
    );
}
