//! Certificates for names that nobody named before a handshake did.

use std::process::{Command, Stdio};

use serde_json::json;

use super::CERTS;
use super::authority::{Authority, serial_shown};
use super::faults::until;
use crate::harness::{Server, Setup};

const ASK: &str = "console.log('asked for ' + metadata.query.domain);
    return new Response(null, { status: metadata.query.domain === 'asked.test' ? 200 : 403 });";

fn setup(authority: &Authority) -> Setup {
    let ask = format!("http://127.0.0.1:{}/ask?by=footpath", authority.http);
    let server = authority.asked_by(Server::with_script("ask.ts", ASK));
    server
        .set("acme.on_demand_names", "listed.test, *.wild.test")
        .set("acme.on_demand_ask", ask)
}

/// Whether `openssl` gets through a handshake.
fn gets_through(port: u16, name: &str) -> bool {
    let at = format!("127.0.0.1:{port}");
    let handshake = Command::new("openssl")
        .args(["s_client", "-connect", &at, "-servername", name])
        .stdin(Stdio::null())
        .output()
        .expect("openssl can be run");
    String::from_utf8_lossy(&handshake.stdout).contains("BEGIN CERTIFICATE")
}

#[tokio::test]
async fn the_first_handshake_gets_the_default_and_starts_the_order() {
    let authority = authority!();
    let server = setup(&authority)
        .set("acme.on_demand_per_hour", 3)
        .start()
        .await;
    let default = serial_shown(authority.https, "nobody.example");
    for name in ["listed.test", "a.wild.test", "asked.test"] {
        assert_eq!(serial_shown(authority.https, name), default, "{name}");
        let known = until(&server, name, |known| known["status"] == "valid").await;
        assert_eq!(known["serial"], serial_shown(authority.https, name));
        assert_eq!(known["trace"]["requested_by"], "on demand");
        assert_eq!(known["managed"], true);
    }
    server.logs("asked for asked.test").await;
    assert!(
        !server.log().contains("asked for listed.test"),
        "the list needs no question"
    );
    // Neither listed nor asked for with success.
    serial_shown(authority.https, "x.y.wild.test");
    server.logs("asked for x.y.wild.test").await;
    // The fourth one in this hour.
    serial_shown(authority.https, "b.wild.test");
    server.logs("acme.on_demand_per_hour is used up").await;
    for name in ["x.y.wild.test", "b.wild.test", "nobody.example"] {
        server
            .get(&format!("{CERTS}/{name}"))
            .as_root()
            .await
            .expect(404);
        assert_eq!(serial_shown(authority.https, name), default, "{name}");
    }
    // A no is remembered.
    let asked = server.log().matches("asked for x.y.wild.test").count();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn where_unknown_names_are_refused_the_next_handshake_gets_through() {
    let authority = authority!();
    let server = setup(&authority)
        .set("proxy.refuse_unknown", true)
        .start()
        .await;
    assert!(!gets_through(authority.https, "listed.test"));
    until(&server, "listed.test", |known| known["status"] == "valid").await;
    assert!(gets_through(authority.https, "listed.test"));
    assert!(!gets_through(authority.https, "other.test"));
}

#[tokio::test]
async fn nothing_is_ordered_for_unknown_names_by_itself() {
    let authority = authority!();
    let setup = authority.asked_by(Server::empty());
    let server = setup.set("acme.names", "a.test").start().await;
    serial_shown(authority.https, "b.test");
    until(&server, "a.test", |known| known["status"] == "valid").await;
    let all = server.get(CERTS).as_root().await.expect(200).json();
    assert_eq!(all["data"]["count"], json!(1), "{all}");
}
