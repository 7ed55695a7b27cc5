//! What an authority may do to us, and what becomes of it. Whatever it is, the
//! certificate that is served stays.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::authority::{Authority, is_installed, serial_shown};
use super::between::{Asked, Between, Then};
use super::{ORDER, RENEW, certificate, order, ordered};
use crate::harness::{PATIENCE, Server, skip};

const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");
/// Orders and says what went wrong.
const TRY: &str = "const { name, ...options } = req.body;
    try { const made = await acme.order(name, options); return { status: made.status, serial: made.serial }; }
    catch (error) { return { code: error.code, retryAfter: error.retryAfter ?? null }; }";
/// Nobody's certificate, for nobody's key.
const FOREIGN: &str = "-----BEGIN CERTIFICATE-----
MIIBNjCB3KADAgECAgEBMAoGCCqGSM49BAMCMAAwIBcNMDAwMTAxMDAwMDAwWhgP
-----END CERTIFICATE-----
";

fn at(port: u16) -> String {
    format!("https://localhost:{port}/dir")
}

async fn tried(server: &Server, body: Value) -> Value {
    let sent = server.request(http::Method::POST, "/try").json(&body);
    sent.await.expect(200).json()
}

/// Waits until a certificate is as it should be.
pub async fn until(server: &Server, domain: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = server.get(&format!("{}/{domain}", super::CERTS)).as_root();
        let reply = reply.await;
        if reply.status == 200 {
            let known = reply.json()["data"].clone();
            if wanted(&known) {
                return known;
            }
        }
        assert!(Instant::now() < deadline, "{reply:?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn whatever_the_authority_does_the_old_certificate_stays() {
    let authority = authority!();
    let between = Between::with_tls(authority.api, authority.home()).await;
    let server = Server::with_scripts(&[("certs/renew.ts", RENEW), ("try.ts", TRY)]);
    let server = authority.asked_by(server);
    let server = server.set("acme.directory", at(between.port)).start().await;
    server.get("/certs/renew").await.expect(200);
    let serial = serial_shown(authority.https, "your-app.com");
    let other = rcgen::generate_simple_self_signed(["your-app.com".to_owned()]).unwrap();
    let other: &'static str = other.cert.pem().leak();
    let refused = r#"{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"no"}"#;
    let on_order = |then: Then| {
        move |asked: &Asked| match asked.is_order() {
            true => then,
            false => Then::Pass,
        }
    };
    let on_chain = |text: &'static str| {
        move |asked: &Asked| match asked.path.starts_with("/certZ/") {
            true => Then::Instead(text),
            false => Then::Pass,
        }
    };
    let cases: [(&str, Box<dyn FnMut(&Asked) -> Then + Send>, Value); 7] = [
        (
            "ACME_CONNECTION",
            Box::new(on_order(Then::Answer(500, PROBLEM, "oh"))),
            json!(null),
        ),
        (
            "ACME_CONNECTION",
            Box::new(on_order(Then::Answer(201, PROBLEM, "{\"a\":"))),
            json!(null),
        ),
        (
            "ACME_REFUSED",
            Box::new(on_order(Then::Answer(403, PROBLEM, refused))),
            json!(null),
        ),
        (
            "ACME_BUSY",
            Box::new(on_order(Then::Answer(503, ("retry-after", "7"), ""))),
            json!(7),
        ),
        ("ACME_CERTIFICATE", Box::new(on_chain(other)), json!(null)),
        ("ACME_CERTIFICATE", Box::new(on_chain(FOREIGN)), json!(null)),
        (
            "ACME_BUSY",
            Box::new(on_order(Then::Answer(429, ("retry-after", "7777"), ""))),
            json!(7777),
        ),
    ];
    for (failures, (code, plan, retry_after)) in (1..).zip(cases) {
        between.plan(plan);
        let answer = tried(&server, json!({ "name": "your-app.com", "force": true })).await;
        assert_eq!(
            answer,
            json!({ "code": code, "retryAfter": retry_after }),
            "{failures}"
        );
        let known = certificate(&server, "your-app.com").await;
        assert_eq!(
            (&known["status"], &known["failures"]),
            (&json!("valid"), &json!(failures))
        );
        assert!(known["last_error"].is_string(), "{known}");
        assert_eq!(serial_shown(authority.https, "your-app.com"), serial);
    }
    // Not due, so a script gets it all the same; and when the authority is well again, a new one.
    let answer = tried(&server, json!({ "name": "your-app.com" })).await;
    assert_eq!(
        (&answer["status"], &answer["serial"]),
        (&json!("not_due"), &json!(serial))
    );
    between.plan(|_| Then::Pass);
    let answer = tried(&server, json!({ "name": "your-app.com", "force": true })).await;
    assert_eq!(answer["status"], "issued");
    assert_ne!(answer["serial"], json!(serial));
    let known = certificate(&server, "your-app.com").await;
    assert_eq!(
        (&known["last_error"], &known["failures"]),
        (&Value::Null, &json!(0))
    );
}

#[tokio::test]
async fn an_authority_that_hangs_keeps_nobody_else_waiting_and_is_given_up() {
    let authority = authority!();
    let between = Between::with_tls(authority.api, authority.home()).await;
    between.plan(|asked| {
        if asked.is_order() {
            Then::Hang
        } else {
            Then::Pass
        }
    });
    let setup = authority.asked_by(Server::with_script("a.ts", "return 1;"));
    let setup = setup.set("acme.directory", at(between.port));
    let server = setup.set("acme.names", "a.test").start().await;
    let deadline = Instant::now() + PATIENCE;
    while between.orders().is_empty() {
        assert!(Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // It hangs now; handshakes and scripts do not.
    serial_shown(authority.https, "a.test");
    server.get("/a").await.expect_text(200, "1");
    let known = until(&server, "a.test", |known| known["failures"] == 1).await;
    assert!(
        known["last_error"]
            .as_str()
            .unwrap()
            .contains("could not be asked"),
        "{known}"
    );
}

#[tokio::test]
async fn after_a_failure_the_staging_directory_is_asked_first() {
    let authority = authority!();
    let same_ports = json!({ "httpPort": authority.http, "tlsPort": authority.https });
    let staging = Authority::start_with(&[], same_ports);
    let between = Between::with_tls(authority.api, authority.home()).await;
    let rehearsal = Between::with_tls(staging.api, staging.home()).await;
    let read = |path| std::fs::read_to_string(path).unwrap();
    let roots = authority.home().join("both.pem");
    std::fs::write(&roots, read(authority.root()) + &read(staging.root())).unwrap();
    let server = authority
        .asked_by(Server::with_script("try.ts", TRY))
        .set("acme.ca", roots.display())
        .set("acme.directory", at(between.port))
        .set("acme.staging", at(rehearsal.port))
        .start()
        .await;
    let a = json!({ "name": "a.test" });
    let orders = || (rehearsal.orders().len(), between.orders().len());
    let refuse = |asked: &Asked| match asked.is_order() {
        true => Then::Answer(
            403,
            PROBLEM,
            r#"{"type":"urn:ietf:params:acme:error:caa","detail":"no"}"#,
        ),
        false => Then::Pass,
    };
    between.plan(refuse);
    assert_eq!(tried(&server, a.clone()).await["code"], "ACME_REFUSED");
    assert_eq!(orders(), (0, 1));
    // What staging refuses, the authority is not asked.
    between.plan(|_| Then::Pass);
    rehearsal.plan(refuse);
    assert_eq!(tried(&server, a.clone()).await["code"], "ACME_REFUSED");
    assert_eq!(orders(), (1, 1));
    rehearsal.plan(|_| Then::Pass);
    assert_eq!(tried(&server, a).await["status"], "issued");
    assert_eq!(orders(), (2, 2));
    // A staging directory that is not there says nothing about the name.
    between.plan(refuse);
    let b = json!({ "name": "b.test" });
    assert_eq!(tried(&server, b.clone()).await["code"], "ACME_REFUSED");
    between.plan(|_| Then::Pass);
    rehearsal.plan(|_| Then::Answer(503, ("retry-after", "1"), ""));
    assert_eq!(tried(&server, b).await["status"], "issued");
}

#[tokio::test]
async fn a_fourth_failed_validation_in_an_hour_is_not_risked_even_after_a_restart() {
    if !is_installed() {
        skip!("the Debian packages pebble and pebble-challtestsrv are not installed");
    }
    // It looks where nobody is.
    let [nowhere] = super::authority::free_ports();
    let authority = Authority::start_with(&[], json!({ "httpPort": nowhere, "tlsPort": nowhere }));
    let setup = authority.asked_by(Server::with_script("try.ts", TRY));
    let mut server = setup.start().await;
    let body = json!({ "name": "a.test" });
    for _ in 0..2 {
        assert_eq!(
            tried(&server, body.clone()).await["code"],
            "ACME_VALIDATION"
        );
    }
    server.restart().await;
    let known = certificate(&server, "a.test").await;
    assert_eq!(known["failures"], 2, "{known}");
    assert_eq!(
        tried(&server, body.clone()).await["code"],
        "ACME_VALIDATION"
    );
    let refused = tried(&server, body).await;
    assert_eq!(refused["code"], "ACME_LEDGER");
    assert!(refused["retryAfter"].as_u64().unwrap() > 3000, "{refused}");
    // The authority counts by name, whatever else is in the order.
    let both = json!({ "name": ["b.test", "a.test"] });
    assert_eq!(tried(&server, both).await["code"], "ACME_LEDGER");
    let third = json!({ "name": ["c.test", "d.test"] });
    assert_eq!(tried(&server, third).await["code"], "ACME_VALIDATION");
}

#[tokio::test]
async fn a_restart_does_not_try_again_before_it_is_time() {
    let authority = authority!();
    let between = Between::with_tls(authority.api, authority.home()).await;
    between.plan(|asked| match asked.is_order() {
        true => Then::Answer(500, PROBLEM, "oh"),
        false => Then::Pass,
    });
    let setup = authority
        .asked_by(Server::empty())
        .set("acme.names", "a.test");
    let mut server = setup.set("acme.directory", at(between.port)).start().await;
    let known = until(&server, "a.test", |known| known["failures"] == 1).await;
    for _ in 0..2 {
        server.restart().await;
        // Several looks long.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let later = certificate(&server, "a.test").await;
        assert_eq!(
            (
                &later["failures"],
                &later["next_renewal_at"],
                &later["last_attempt_at"]
            ),
            (
                &json!(1),
                &known["next_renewal_at"],
                &known["last_attempt_at"]
            )
        );
    }
    assert_eq!(between.orders().len(), 1);
}

#[tokio::test]
async fn many_who_ask_at_once_get_one_order() {
    let authority = authority!();
    let between = Between::with_tls(authority.api, authority.home()).await;
    let server = authority.asked_by(Server::with_script("order.ts", ORDER));
    let server = server.set("acme.directory", at(between.port)).start().await;
    let ask = || async { ordered(order(&server, json!({ "name": "a.test" })).await) };
    let made = futures_util::future::join_all((0..8).map(|_| ask())).await;
    let issued = made.iter().filter(|one| one["status"] == "issued").count();
    assert_eq!((issued, between.orders().len()), (1, 1));
    assert!(made.iter().all(|one| one["serial"] == made[0]["serial"]));
    for field in [
        "cert",
        "key",
        "chain",
        "domain",
        "names",
        "serial",
        "notBefore",
        "notAfter",
        "issuer",
    ] {
        assert!(!made[0][field].is_null(), "{field}");
    }
}

#[tokio::test]
async fn an_authority_that_forgot_our_account_gets_a_new_one() {
    let mut authority = authority!();
    let server = authority.asked_by(Server::with_script("order.ts", ORDER));
    let server = server.start().await;
    ordered(order(&server, json!({ "name": "a.test" })).await);
    authority.restart();
    let again = ordered(order(&server, json!({ "name": "a.test", "force": true })).await);
    assert_eq!(again["status"], "issued");
}

#[tokio::test]
async fn proofs_that_are_still_good_are_not_asked_for_again() {
    let authority = authority!(("PEBBLE_AUTHZREUSE", "100"));
    let server = authority.asked_by(Server::with_script("order.ts", ORDER));
    let server = server.start().await;
    let body = json!({ "name": "a.test", "force": true });
    for _ in 0..2 {
        assert_eq!(
            ordered(order(&server, body.clone()).await)["status"],
            "issued"
        );
    }
}

#[tokio::test]
async fn an_authority_may_take_its_time_to_validate() {
    let authority = authority!(("PEBBLE_VA_NOSLEEP", "0"), ("PEBBLE_VA_SLEEPTIME", "15"));
    let server = authority.asked_by(Server::empty());
    let server = server.set("acme.names", "a.test, b.test").start().await;
    for name in ["a.test", "b.test"] {
        until(&server, name, |known| known["status"] == "valid").await;
    }
}
