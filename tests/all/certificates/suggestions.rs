//! Renewal information (RFC 9773) and profiles, against acme2certifier.

use std::time::Duration;

use serde_json::{Value, json};

use super::between::Between;
use super::faults::until;
use super::suggesting::Suggesting;
use super::{ORDER, certificate, order, ordered};
use crate::harness::{Server, Setup, skip};

const IDS: &str = "/acme/renewal-info/";

/// A server that asks this authority, and what stands between the two.
async fn asked_by(authority: &Suggesting, setup: Setup) -> (Setup, Between) {
    let between = Between::plain(authority.port).await;
    let directory = format!("http://127.0.0.1:{}/directory", between.port);
    // It takes no account without a contact.
    let setup = setup
        .set("acme.directory", directory)
        .set("acme.contact", "mailto:ops@example.com")
        .set("acme.check_ms", 1000);
    (setup, between)
}

macro_rules! suggesting {
    ($lines:literal) => {
        match Suggesting::start($lines) {
            Some(authority) => authority,
            None => skip!("acme2certifier is not installed: make peers"),
        }
    };
}

fn seconds_between(from: &Value, to: &Value) -> i64 {
    let time = |value: &Value| {
        let time = value
            .as_str()
            .expect("a time")
            .parse::<chrono::DateTime<chrono::Utc>>();
        time.expect("RFC 3339").timestamp()
    };
    time(to) - time(from)
}

#[tokio::test]
async fn the_suggested_window_decides_and_the_order_says_what_it_replaces() {
    // The window: from 0.02 % of two days, which is 34 s, for 10 s.
    let authority = suggesting!("renewalthreshold_pctg: 0.02\nrenewal_window_duration: 10");
    let (setup, between) = asked_by(&authority, Server::empty().https()).await;
    let server = setup.set("acme.names", "a.test").start().await;
    let known = until(&server, "a.test", |known| {
        known["renewal_reason"] == "renewal_info"
    })
    .await;
    assert_eq!(known["trace"]["generation"], 1);
    let until_renewal = seconds_between(&known["not_before"], &known["next_renewal_at"]);
    assert!((34..=44).contains(&until_renewal), "{known}");
    assert!(between.orders()[0].payload.get("replaces").is_none());
    let first = known["serial"].clone();
    let known = until(&server, "a.test", |known| known["trace"]["generation"] == 2).await;
    assert_ne!(known["serial"], first);
    let asked = between.asked();
    let id = asked.iter().find_map(|one| one.path.strip_prefix(IDS));
    let orders = between.orders();
    assert_eq!(
        orders[1].payload["replaces"],
        json!(id.expect("it was asked")),
        "{orders:?}"
    );
}

#[tokio::test]
async fn an_authority_that_always_says_now_does_not_get_an_order_at_every_look() {
    let authority = suggesting!("renewal_force: True");
    let (setup, between) = asked_by(&authority, Server::empty().https()).await;
    let server = setup.set("acme.names", "a.test").start().await;
    until(&server, "a.test", |known| known["trace"]["generation"] == 3).await;
    // Several looks later it is still three, and the third is served.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let replacing = between.orders().into_iter();
    let replacing = replacing.filter(|one| one.payload["replaces"].is_string());
    assert_eq!(replacing.count(), 2);
    let known = certificate(&server, "a.test").await;
    assert_eq!(
        (&known["status"], &known["renewal_reason"]),
        (&json!("due"), &json!("renewal_info"))
    );
}

#[tokio::test]
async fn a_profile_is_asked_for_if_the_directory_has_it() {
    let authority = suggesting!("renewalinfo_disable: True");
    let setup = Server::with_scripts(&[
        ("order.ts", ORDER),
        (
            "wrong.ts",
            "try { await acme.order('a.test', { profile: 'wide' }); } catch (error) { return error.code + ': ' + error.message; }",
        ),
    ]);
    let (setup, between) = asked_by(&authority, setup).await;
    let server = setup.set("acme.profile", "long").start().await;
    let wrong = server.get("/wrong").await.expect(200).text();
    assert!(wrong.starts_with("ACME_BAD_PROFILE: "), "{wrong}");
    assert!(wrong.contains("short") && wrong.contains("long"), "{wrong}");
    for (body, expected) in [
        (json!({ "name": "a.test", "profile": "short" }), "short"),
        (json!({ "name": "b.test" }), "long"),
    ] {
        assert_eq!(ordered(order(&server, body).await)["status"], "issued");
        let orders = between.orders();
        assert_eq!(orders.last().unwrap().payload["profile"], expected);
    }
}
