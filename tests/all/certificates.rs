//! Certificates renew themselves: scripts and the server itself against a real
//! certificate authority.

/// A running authority, where one is installed.
macro_rules! authority {
    ($($variable:expr),*) => {{
        if !$crate::certificates::authority::is_installed() {
            $crate::harness::skip!("the Debian packages pebble and pebble-challtestsrv are not installed");
        }
        $crate::certificates::authority::Authority::start(&[$($variable),*])
    }};
}

#[path = "certificates/authority.rs"]
mod authority;
#[path = "certificates/between.rs"]
mod between;
#[path = "certificates/faults.rs"]
mod faults;
#[path = "certificates/on_demand.rs"]
mod on_demand;
#[path = "certificates/suggesting.rs"]
mod suggesting;
#[path = "certificates/suggestions.rs"]
mod suggestions;
#[path = "certificates/the_loop.rs"]
mod the_loop;

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Reply, Server, skip};
use authority::{Authority, is_installed, serial_shown};

/// The promise, as it stands in the examples.
const RENEW: &str = include_str!("../../scripts/1/certs/renew.ts");
const CERTS: &str = "/api/v1/proxy/certs";

const ORDER: &str =
    "const { name, ...options } = req.body; return await acme.order(name, options);";

async fn certificate(server: &Server, domain: &str) -> Value {
    let reply = server.get(&format!("{CERTS}/{domain}")).as_root().await;
    reply.expect(200).json()["data"].clone()
}

async fn order(server: &Server, body: Value) -> Reply {
    server.request(Method::POST, "/order").json(&body).await
}

fn ordered(reply: Reply) -> Value {
    reply.expect(200).json()
}

/// A new token with this permission: its id and its secret.
async fn token(server: &Server, permission: &str) -> (String, String) {
    let body = json!({ "alias": "sunday", "permissions": [permission] });
    let made = server
        .post("/api/v1/auth/tokens", body.to_string())
        .as_root();
    let data = made.await.expect(201).json()["data"].clone();
    let text = |name: &str| data[name].as_str().expect(name).to_owned();
    (text("id"), text("token"))
}

#[tokio::test]
async fn one_call_renews_every_certificate_and_the_next_handshake_shows_it() {
    let authority = authority!();
    let server = Server::with_script("certs/renew.ts", RENEW);
    let server = authority
        .asked_by(server)
        .set("auth.scripts_need_token", true)
        .start()
        .await;
    let (id, secret) = token(&server, "exec:run").await;
    let begun = Instant::now();
    let url = format!("/scripts/certs/renew?token={secret}");

    // First without consequences.
    let rehearsed = server.get(&format!("{url}&dry_run=true")).await.expect(200);
    let would = rehearsed
        .header("x-dry-run")
        .expect("it says what it would do");
    assert!(
        would.contains("would order your-app.com (missing)"),
        "{would}"
    );
    assert!(
        would.contains("would PATCH /api/v1/proxy/cert/bundle"),
        "{would}"
    );
    let before = server.get(CERTS).as_root().await.expect(200).json();
    assert_eq!(before["data"]["count"], 0, "{before}");

    // The run.
    let reply = server
        .get(&url)
        .await
        .expect_json(200, json!({ "renewed": 2 }));
    assert!(begun.elapsed() < Duration::from_secs(60));
    for domain in ["your-app.com", "api.your-app.com"] {
        let shown = serial_shown(authority.https, domain);
        let known = certificate(&server, domain).await;
        assert_eq!(known["serial"], shown);
        assert_eq!(known["status"], "valid");
        assert_eq!(
            (&known["managed"], &known["renewal_reason"]),
            (&json!(true), &json!("lifetime"))
        );
        // One query from the request to the first handshake.
        let trace = &known["trace"];
        assert_eq!(trace["requested_by"], "script 1/certs/renew.ts");
        assert_eq!(
            trace["execution_id"],
            reply.header("x-execution-id").unwrap()
        );
        assert!(
            trace["order_url"]
                .as_str()
                .unwrap()
                .starts_with("https://localhost:")
        );
        assert_eq!(trace["generation"], 1);
        let execution = reply.header("x-execution-id").unwrap();
        assert!(
            trace["installed_by"].as_str().unwrap().contains(execution),
            "{trace}"
        );
        assert!(trace["first_handshake_at"].is_string(), "{trace}");
        let chain = server
            .scripts()
            .join(format!("1/files/certs/{domain}/fullchain.pem"));
        assert!(
            std::fs::read_to_string(chain)
                .unwrap()
                .contains("BEGIN CERTIFICATE")
        );
    }

    // Again: nothing is due, nothing is ordered, and that is a success.
    let orders = authority.log().matches("Order").count();
    let serial = serial_shown(authority.https, "your-app.com");
    server
        .get(&format!("/certs/renew?token={secret}"))
        .await
        .expect_json(200, json!({ "renewed": 2 }));
    let rehearsed = server.get(&format!("{url}&dry_run=true")).await.expect(200);
    assert!(
        rehearsed
            .header("x-dry-run")
            .unwrap()
            .contains("your-app.com is not due until")
    );
    assert_eq!(authority.log().matches("Order").count(), orders);
    assert_eq!(serial_shown(authority.https, "your-app.com"), serial);
    let metrics = server.get("/metrics").as_root().await.expect(200).text();
    assert!(metrics.contains("footpath_certificate_expiry_seconds{domain=\"your-app.com\"}"));

    // The old URL is dead as soon as its token is rotated.
    let rotate = format!("/api/v1/auth/tokens/{id}/rotate");
    let rotated = server.post(&rotate, "").as_root().await.expect(200).json();
    server.get(&url).await.expect(401);
    let new = rotated["data"]["token"].as_str().unwrap();
    server
        .get(&format!("/certs/renew?token={new}"))
        .await
        .expect(200);
    no_key_outside(&server).await;
}

/// Keys are in no log, no listing and no file that is not sealed.
async fn no_key_outside(server: &Server) {
    assert!(!server.log().contains("PRIVATE KEY"));
    for path in [CERTS, "/api/v1/proxy/cert/bundle"] {
        let listing = server.get(path).as_root().await.expect(200);
        assert!(!listing.text().contains("PRIVATE KEY"), "{path}");
    }
    for folder in [server.data(), server.scripts()] {
        let found = std::process::Command::new("grep")
            .args(["-rlaF", "PRIVATE KEY"])
            .arg(folder)
            .output()
            .expect("grep can be run");
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        let found: Vec<&str> = found
            .lines()
            .filter(|file| !file.ends_with(".wasm"))
            .collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

#[tokio::test]
async fn an_order_takes_options_and_says_what_is_wrong() {
    let authority = authority!();
    let server = Server::with_scripts(&[
        ("order.ts", ORDER),
        ("status.ts", "return await acme.status('a.test');"),
        (
            "wrong.ts",
            "try { await acme.order('*.a.test'); } catch (error) { return { name: error.name, code: error.code, retryAfter: error.retryAfter ?? null }; }",
        ),
        (
            "nobody.ts",
            "try { await acme.order('1.2.3.4'); } catch (error) { return error.code; }",
        ),
    ]);
    let server = authority.asked_by(server).start().await;
    server.get("/status").await.expect_json(200, Value::Null);
    let first = ordered(order(&server, json!({ "name": ["A.test.", "b.test"] })).await);
    assert_eq!(first["status"], "issued");
    assert_eq!(
        (&first["domain"], &first["names"]),
        (&json!("a.test"), &json!(["a.test", "b.test"]))
    );
    assert!(first["key"].as_str().unwrap().contains("PRIVATE KEY"));
    assert!(first["notAfter"].as_str().unwrap() > first["notBefore"].as_str().unwrap());
    // Issued and not served yet: the same one is handed out again, in whatever order the
    // names stand.
    for (names, domain) in [
        (json!("a.test"), "a.test"),
        (json!(["b.test", "a.test"]), "b.test"),
    ] {
        let again = ordered(order(&server, json!({ "name": names })).await);
        assert_eq!(
            (&again["status"], &again["serial"], &again["domain"]),
            (&json!("not_due"), &first["serial"], &json!(domain))
        );
    }
    // Also when the first of them has a certificate of its own.
    ordered(order(&server, json!({ "name": "d.test" })).await);
    let both = ordered(order(&server, json!({ "name": ["e.test", "d.test"] })).await);
    let turned = ordered(order(&server, json!({ "name": ["d.test", "e.test"] })).await);
    assert_eq!(
        (&turned["status"], &turned["serial"]),
        (&json!("not_due"), &both["serial"])
    );
    let status = server.get("/status").await.expect(200).json();
    assert_eq!(
        (&status["status"], &status["serial"]),
        (&json!("not_served"), &first["serial"])
    );
    for key_type in ["ec384", "rsa2048"] {
        let body = json!({ "name": "c.test", "force": true, "keyType": key_type });
        assert_eq!(
            ordered(order(&server, body).await)["status"],
            "issued",
            "{key_type}"
        );
    }
    // The ledger: this would be a fourth one in a week although none was due.
    let body = json!({ "name": "c.test", "force": true });
    assert_eq!(
        ordered(order(&server, body.clone()).await)["status"],
        "issued"
    );
    order(&server, body).await.expect(500);
    server
        .logs("three identical certificates were ordered")
        .await;
    let wrong = server.get("/wrong").await.expect(200).json();
    assert_eq!(
        wrong,
        json!({ "name": "AcmeError", "code": "ACME_NO_CHALLENGE", "retryAfter": null })
    );
    server
        .get("/nobody")
        .await
        .expect_text(200, "ACME_BAD_NAME");
}

#[tokio::test]
async fn the_server_keeps_its_names_without_any_script() {
    let authority = authority!();
    let server = authority.asked_by(Server::empty());
    let server = server
        .set("acme.names", "a.test b.test, c.test")
        .start()
        .await;
    let deadline = Instant::now() + PATIENCE;
    for domain in ["a.test", "b.test", "c.test"] {
        loop {
            let known = server.get(&format!("{CERTS}/{domain}")).as_root().await;
            if known.status == 200 && known.json()["data"]["status"] == "valid" {
                let known = known.json()["data"].clone();
                assert_eq!(known["serial"], serial_shown(authority.https, domain));
                assert_eq!(known["trace"]["installed_by"], "renewal");
                break;
            }
            assert!(Instant::now() < deadline, "{known:?}\n{}", server.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(
        serial_shown(authority.https, "a.test"),
        serial_shown(authority.https, "b.test")
    );
}

#[tokio::test]
async fn tls_alpn_and_dns_prove_names_too() {
    let authority = authority!();
    let hook = format!(
        "// @token not-for-everybody\n\
         const {{ action, name, value }} = req.body;\n\
         const path = action === 'present' ? 'set-txt' : 'clear-txt';\n\
         const body = JSON.stringify({{ host: name + '.', value }});\n\
         const done = await fetch('http://127.0.0.1:{}/' + path, {{ method: 'POST', body }});\n\
         if (!done.ok) throw new Error('the name server says ' + done.status);\n\
         console.log(action, name);\n\
         return {{ action }};",
        authority.dns_management
    );
    let server = Server::with_scripts(&[("order.ts", ORDER), ("dns.ts", &hook)]);
    let server = authority
        .asked_by(server)
        .dev()
        .set("acme.challenges", "tls-alpn-01,dns-01")
        .set("acme.dns", "/dns")
        .set("egress.allow", "127.0.0.1")
        .start()
        .await;
    let by_tls = ordered(order(&server, json!({ "name": "a.test" })).await);
    assert_eq!(by_tls["status"], "issued");
    assert!(!server.log().contains("present _acme-challenge"));
    let wild = ordered(order(&server, json!({ "name": ["*.a.test", "a.test"] })).await);
    assert_eq!(wild["names"], json!(["*.a.test", "a.test"]));
    for action in ["present", "cleanup"] {
        assert!(
            server
                .log()
                .contains(&format!("{action} _acme-challenge.a.test")),
            "{action}"
        );
    }
    server.post("/dns", "{}").await.expect(401);
}

#[tokio::test]
async fn a_failure_leaves_what_is_served_and_is_remembered() {
    let mut authority = authority!();
    let server = Server::with_scripts(&[("certs/renew.ts", RENEW), ("order.ts", ORDER)]);
    let mut server = authority.asked_by(server).start().await;
    server.get("/certs/renew").await.expect(200);
    let serial = serial_shown(authority.https, "your-app.com");
    authority.stop();
    order(&server, json!({ "name": "your-app.com", "force": true }))
        .await
        .expect(500);
    server.restart().await;
    assert_eq!(serial_shown(authority.https, "your-app.com"), serial);
    let known = certificate(&server, "your-app.com").await;
    assert_eq!(
        (&known["status"], &known["failures"]),
        (&json!("valid"), &json!(1))
    );
    assert!(
        known["last_error"]
            .as_str()
            .unwrap()
            .contains("could not be asked"),
        "{known}"
    );
    let below = format!("{CERTS}/your-app.com");
    let forgotten = server
        .request(Method::DELETE, &below)
        .as_root()
        .await
        .expect(200);
    assert_eq!(forgotten.json()["data"]["forgotten"], true);
    assert_eq!(certificate(&server, "your-app.com").await["managed"], false);
    assert_eq!(serial_shown(authority.https, "your-app.com"), serial);
}

#[tokio::test]
async fn an_authority_that_refuses_most_nonces_issues_all_the_same() {
    let authority = authority!(
        ("PEBBLE_WFE_NONCEREJECT", "70"),
        ("PEBBLE_CHAIN_LENGTH", "3")
    );
    let server = authority
        .asked_by(Server::with_script("order.ts", ORDER))
        .start()
        .await;
    for number in 0..5 {
        let body = json!({ "name": format!("n{number}.test") });
        let made = ordered(order(&server, body).await);
        assert_eq!(made["status"], "issued");
        assert_eq!(
            made["cert"]
                .as_str()
                .unwrap()
                .matches("BEGIN CERTIFICATE")
                .count(),
            4
        );
    }
}

#[tokio::test]
async fn certificates_of_seconds_are_renewed_before_they_end() {
    if !is_installed() {
        skip!("the Debian packages pebble and pebble-challtestsrv are not installed");
    }
    let short = json!({ "certificateValidityPeriod": 16 });
    let authority = Authority::start_with(&[], short);
    let server = Server::with_script("certs/renew.ts", RENEW);
    let server = authority.asked_by(server).start().await;
    server.get("/certs/renew").await.expect(200);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let known = certificate(&server, "your-app.com").await;
        assert_ne!(known["status"], "expired", "{known}\n{}", server.log());
        if known["trace"]["generation"].as_u64() >= Some(3) {
            assert_eq!(known["trace"]["requested_by"], "renewal");
            assert_eq!(
                known["serial"],
                serial_shown(authority.https, "your-app.com")
            );
            break;
        }
        assert!(Instant::now() < deadline, "{known}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn an_external_account_is_bound() {
    if !is_installed() {
        skip!("the Debian packages pebble and pebble-challtestsrv are not installed");
    }
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let binding = json!({
        "externalAccountBindingRequired": true,
        "externalAccountMACKeys": { "kid-1": key },
    });
    let authority = Authority::start_with(&[], binding);
    let setup = || authority.asked_by(Server::with_script("order.ts", ORDER));
    let without = setup().start().await;
    order(&without, json!({ "name": "a.test" }))
        .await
        .expect(500);
    assert!(
        without.log().contains("the certificate authority refused"),
        "{}",
        without.log()
    );
    drop(without);
    let server = setup()
        .set("acme.eab_key_id", "kid-1")
        .set("acme.eab_mac_key", key)
        .start()
        .await;
    assert_eq!(
        ordered(order(&server, json!({ "name": "a.test" })).await)["status"],
        "issued"
    );
    assert!(!server.log().contains(key));
}

/// An authority that gives every request the same answer.
async fn parrot(answer: &'static str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}/dir")
}

#[test]
fn the_configuration_is_checked_without_starting() {
    let wrong = [
        (&[("names", "a.test")][..], "need acme.directory"),
        (
            &[("directory", "acme.example")],
            "acme.directory must be an URL",
        ),
        (
            &[("directory", "https://a.example"), ("names", "1.2.3.4")],
            "acme.names",
        ),
        (
            &[
                ("directory", "https://a.example"),
                ("challenges", "http-02"),
            ],
            "acme.challenges takes",
        ),
        (
            &[("directory", "https://a.example"), ("key_type", "rsa1024")],
            "acme.key_type",
        ),
        (
            &[("directory", "https://a.example"), ("eab_key_id", "k")],
            "belong together",
        ),
        (
            &[("directory", "https://a.example"), ("ca", "/nowhere.pem")],
            "/nowhere.pem",
        ),
        (
            &[("directory", "https://a.example"), ("contact", "ops")],
            "mailto:",
        ),
        (
            &[
                ("directory", "https://a.example"),
                ("on_demand_names", "*.com"),
            ],
            "acme.on_demand_names",
        ),
        (
            &[
                ("directory", "https://a.example"),
                ("on_demand_ask", "/ask"),
            ],
            "acme.on_demand_ask",
        ),
    ];
    let folder = tempfile::TempDir::new().unwrap();
    for (settings, expected) in wrong {
        let mut check = crate::harness::footpath();
        check.arg("check").arg(folder.path());
        for (key, value) in settings {
            check.env(format!("FOOTPATH_ACME_{}", key.to_uppercase()), value);
        }
        let checked = check.output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(
            !checked.status.success() && said.contains(expected),
            "{settings:?}: {said}"
        );
    }
}

#[tokio::test]
async fn an_authority_that_talks_nonsense_is_an_error_with_a_name() {
    let cases = [
        (
            "HTTP/1.1 500 Oh\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno",
            "ACME_CONNECTION",
            None,
        ),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\n{\"a\":",
            "ACME_CONNECTION",
            None,
        ),
        (
            "HTTP/1.1 429 No\r\nconnection: close\r\nretry-after: 77\r\ncontent-length: 2\r\n\r\n{}",
            "ACME_BUSY",
            Some(77),
        ),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 50\r\n\r\ncut off",
            "ACME_CONNECTION",
            None,
        ),
        ("no HTTP at all", "ACME_CONNECTION", None),
    ];
    let script = "try { await acme.order('a.test'); } catch (e) { return { code: e.code, retryAfter: e.retryAfter ?? null }; }";
    for (answer, code, retry_after) in cases {
        let directory = parrot(answer).await;
        let server = Server::with_script("order.ts", script).set("acme.directory", directory);
        let server = server.start().await;
        let expected = json!({ "code": code, "retryAfter": retry_after });
        server.get("/order").await.expect_json(200, expected);
    }
}

#[tokio::test]
async fn only_the_certificate_endpoint_is_open_to_scripts() {
    let server = Server::with_script(
        "try.ts",
        "const { path, method = 'GET' } = req.body;
         const answer = await fetch(path, { method, headers: { authorization: 'Bearer x' } });
         return { status: answer.status };",
    );
    let server = server.start().await;
    let asks = async |path: &str| {
        let body = json!({ "path": path });
        let asked = server.request(Method::POST, "/try").json(&body);
        asked.await.expect(200).json()["status"].clone()
    };
    assert_eq!(asks("/api/v1/proxy/cert/bundle").await, 200);
    for closed in [
        "/api/v1/auth/tokens",
        "/api/v1/exec/scripts/list",
        CERTS,
        "/metrics",
    ] {
        assert_eq!(asks(closed).await, 404, "{closed}");
    }
    server.get("/api/v1/proxy/cert/bundle").await.expect(401);
}

#[tokio::test]
async fn an_isolate_neither_orders_nor_installs() {
    let (chain, key) = crate::proxy::certificate(&["a.test"]);
    let code = "if (typeof acme !== 'undefined') return 'acme is there';
        const body = JSON.stringify({ d: 'a.test', cert: data });
        const answer = await fetch('/api/v1/proxy/cert/bundle', { method: 'PATCH', body });
        return answer.status;";
    let script = format!(
        "const data = {};
         const named = await isolate.eval({code:?}, {{ req, res, fetch, data }});
         let passed;
         try {{ passed = await isolate.eval('return typeof acme.order', {{ acme }}); }} catch (error) {{ passed = error.name; }}
         return {{ named, passed }};",
        json!({ "cert": chain, "key": key }),
    );
    let own = "const body = JSON.stringify({ d: 'a.test', cert: req.body });
        return (await fetch('/api/v1/proxy/cert/bundle', { method: 'PATCH', body })).status;";
    let deletes =
        "return (await fetch('/api/v1/proxy/cert/bundle/a.test', { method: 'DELETE' })).status;";
    let scripts = [
        ("isolated.ts", &*script),
        ("own.ts", own),
        ("deletes.ts", deletes),
    ];
    let server = Server::with_scripts(&scripts);
    let server = server.start().await;
    let answer = server.get("/isolated").await.expect(200).json();
    assert_eq!(answer["named"], 403, "{answer}");
    assert_ne!(answer["passed"], "function", "{answer}");
    let all = server.get("/api/v1/proxy/cert/bundle").as_root().await;
    assert_eq!(all.expect(200).json()["data"]["count"], 0);
    // The same by the script itself is what the promise is about.
    let pair = json!({ "cert": chain, "key": key });
    let sent = server.request(Method::POST, "/own").json(&pair);
    sent.await.expect_json(200, json!(200));
    // To take one away is nobody's without a token.
    server.get("/deletes").await.expect_json(200, json!(403));
    let all = server.get("/api/v1/proxy/cert/bundle").as_root().await;
    assert_eq!(all.expect(200).json()["data"]["count"], 1);
}
