//! Certificates: what PATCH accepts is on the next handshake, and nothing else is.

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{
    BUNDLE, certificate, data, handshake, has_openssl, install, openssl_serial, s_client, shown,
};
use crate::harness::{Reply, Server, skip};

fn serial(reply: &Reply) -> String {
    let body: Value = reply.json();
    data(&body)["serial"].as_str().expect("a serial").to_owned()
}

#[tokio::test]
async fn a_patched_certificate_is_on_the_next_handshake() {
    if !has_openssl() {
        skip!("there is no openssl");
    }
    let mut server = Server::with_script("hello.ts", "return 'hello'")
        .https()
        .start()
        .await;
    let https = server.https_address();
    let self_signed = openssl_serial(https, "a.example");

    let first = certificate(&["a.example"]);
    let rehearsal = server
        .request(Method::PATCH, &format!("{BUNDLE}?dry_run=true"))
        .as_root();
    let body = json!({ "domain": "a.example", "cert": first.0, "key": first.1 });
    let rehearsed = rehearsal.body(body.to_string()).await.expect(200);
    assert_eq!(openssl_serial(https, "a.example"), self_signed);

    let receipt = install(&server, "a.example", &first).await.expect(200);
    assert_eq!(serial(&receipt), serial(&rehearsed));
    assert_eq!(openssl_serial(https, "a.example"), serial(&receipt));
    assert_eq!(openssl_serial(https, "b.example"), self_signed);
    let told = receipt.json();
    let told = data(&told);
    assert_eq!(
        (&told["generation"], &told["changed"]),
        (&json!(1), &json!(true))
    );
    for field in ["fingerprint", "not_before", "not_after", "reloaded_at"] {
        assert!(told[field].is_string(), "{field}: {told}");
    }

    let second = certificate(&["a.example"]);
    let stale = install(&server, "a.example", &second).header("if-match", "\"7\"");
    stale.await.expect(412);
    let fresh = install(&server, "a.example", &second).header("if-match", "\"1\"");
    let fresh = fresh.await.expect(200).expect_header("etag", "\"2\"");
    let told_second = fresh.json();
    assert_eq!(
        data(&told_second)["previous_fingerprint"],
        told["fingerprint"]
    );
    assert_eq!(openssl_serial(https, "a.example"), serial(&fresh));

    server.restart().await;
    let https = server.https_address();
    assert_eq!(openssl_serial(https, "a.example"), serial(&fresh));
    assert_eq!(
        openssl_serial(https, "b.example"),
        self_signed,
        "it is kept too"
    );
    let back = server
        .post(&format!("{BUNDLE}/a.example/rollback"), "")
        .as_root();
    let back = back.await.expect(200);
    assert_eq!(serial(&back), serial(&receipt));
    assert_eq!(openssl_serial(https, "a.example"), serial(&receipt));
    let gone = server
        .request(Method::DELETE, &format!("{BUNDLE}/a.example"))
        .as_root();
    gone.await.expect(200);
    assert_eq!(openssl_serial(https, "a.example"), self_signed);
}

#[tokio::test]
async fn a_key_is_nowhere_to_be_read() {
    let server = Server::empty().https().start().await;
    let pair = certificate(&["a.example"]);
    let receipt = install(&server, "a.example", &pair).await.expect(200);
    let list = server.get(BUNDLE).as_root().await.expect(200);
    let one = server
        .get(&format!("{BUNDLE}/A.Example"))
        .as_root()
        .await
        .expect(200);
    assert_eq!(
        data(&one.json())["chain"],
        json!(pair.0.replace("\r\n", "\n"))
    );
    let secret = pair.1.lines().nth(1).unwrap();
    for (what, text) in [
        ("the receipt", receipt.text()),
        ("the list", list.text()),
        ("one", one.text()),
        ("the log", server.log()),
    ] {
        assert!(
            !text.contains(secret) && !text.contains("PRIVATE"),
            "{what}: {text}"
        );
    }
    let mut folders = vec![server.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    server.get(BUNDLE).await.expect(401);
}

#[tokio::test]
async fn what_is_refused_leaves_the_old_certificate() {
    let server = Server::empty().https().start().await;
    let good = certificate(&["a.example"]);
    install(&server, "a.example", &good).await.expect(200);
    let https = server.https_address();
    let before = shown(&handshake(https, "a.example").await.unwrap());
    let other = certificate(&["b.example"]);
    let megabyte = other.0.repeat(1000);
    let cases = [
        (
            json!({ "d": "a.example", "cert": { "cert": good.0, "key": other.1 } }),
            400,
        ),
        (
            json!({ "d": "a.example", "cert": { "cert": other.0, "key": other.1 } }),
            400,
        ),
        (
            json!({ "d": "*.com", "cert": { "cert": other.0, "key": other.1 } }),
            400,
        ),
        (
            json!({ "d": "127.0.0.1", "cert": { "cert": other.0, "key": other.1 } }),
            400,
        ),
        (
            json!({ "d": "b.example", "cert": { "cert": other.0 } }),
            400,
        ),
        (
            json!({ "d": "b.example", "cert": megabyte, "key": other.1 }),
            413,
        ),
        (json!({ "cert": other.0, "key": other.1 }), 400),
        (json!({ "d": "b.example" }), 400),
        (json!({ "d": "b.example", "cert": 7 }), 400),
        (json!({ "d": "b.example", "cert": null }), 400),
        (json!([]), 400),
    ];
    for (body, status) in cases {
        let sent = server
            .request(Method::PATCH, BUNDLE)
            .as_root()
            .body(body.to_string());
        let reply = sent.await.expect(status);
        assert!(!reply.text().contains("BEGIN"), "{reply:?}");
    }
    assert_eq!(shown(&handshake(https, "a.example").await.unwrap()), before);
}

#[tokio::test]
async fn the_profile_and_the_names_of_handshakes() {
    if !has_openssl() {
        skip!("there is no openssl");
    }
    let server = Server::with_script("hello.ts", "return 'hello'")
        .set("proxy.refuse_unknown", true)
        .set("proxy.hsts_seconds", 60)
        .https()
        .start()
        .await;
    let https = server.https_address();
    install(&server, "a.example", &certificate(&["a.example"]))
        .await
        .expect(200);
    for (version, expected) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = s_client(https, &["-servername", "a.example", version, "-alpn", "h2"]);
        assert!(
            said.contains(expected) && said.contains("ALPN protocol: h2"),
            "{said}"
        );
    }
    let old = s_client(
        https,
        &[
            "-servername",
            "a.example",
            "-tls1_1",
            "-cipher",
            "ALL:@SECLEVEL=0",
        ],
    );
    assert!(old.contains("no peer certificate available"), "{old}");
    let unknown = s_client(https, &["-servername", "b.example"]);
    assert!(unknown.contains("unrecognized name"), "{unknown}");
    let unnamed = s_client(https, &["-noservername"]);
    assert!(unnamed.contains("Footpath, self-signed"), "{unnamed}");
    let challenge = s_client(https, &["-servername", "a.example", "-alpn", "acme-tls/1"]);
    assert!(
        !challenge.contains("BEGIN CERTIFICATE"),
        "nobody validates it: {challenge}"
    );

    let mut stream = handshake(https, "a.example").await.unwrap();
    let request = b"GET /hello HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"),
        "{answer}"
    );
    assert!(
        answer.contains("strict-transport-security: max-age=60"),
        "{answer}"
    );

    let logs = server.get("/_logs").as_root().await.expect(200).json();
    let lines = logs["logs"].as_array().unwrap();
    let line = lines
        .iter()
        .find(|line| line["url"] == "/hello")
        .expect("a line");
    assert_eq!(
        (&line["status"], &line["data"]["tlsVersion"]),
        (&json!(200), &json!("TLSv1.3"))
    );
    let one = server
        .get(&format!("{BUNDLE}/a.example"))
        .as_root()
        .await
        .json();
    assert_eq!(
        line["data"]["certificateFingerprint"],
        data(&one)["fingerprint"]
    );
    assert!(data(&one)["first_handshake_at"].is_string());
    let event = lines
        .iter()
        .find(|line| line["kind"] == "event" && line["data"]["host"] == "a.example");
    assert!(event.is_some(), "the first handshake is an event: {logs}");
}

#[tokio::test]
async fn plain_http_is_sent_to_https_but_for_challenges() {
    let server = Server::with_script("a.ts", "return 'a'")
        .set("proxy.redirect_to_https", true)
        .https()
        .start()
        .await;
    let port = server.https_address().port();
    let moved = server
        .get("/a?b=c")
        .header("host", "a.example:80")
        .await
        .expect(308);
    moved.expect_header("location", &format!("https://a.example:{port}/a?b=c"));
    server
        .get("/.well-known/acme-challenge/unknown")
        .await
        .expect(404);
}

#[tokio::test]
async fn open_connections_outlive_reloads_and_new_ones_see_them() {
    const OPEN: usize = 50;
    const RELOADS: usize = 20;
    let server = Server::with_script("hello.ts", "return 'hello'")
        .https()
        .start()
        .await;
    let https = server.https_address();
    server.get("/hello").await.expect_text(200, "hello");
    let mut open = Vec::new();
    for _ in 0..OPEN {
        open.push(handshake(https, "a.example").await.unwrap());
    }
    for _ in 0..RELOADS {
        let pair = certificate(&["a.example"]);
        install(&server, "a.example", &pair).await.expect(200);
        let stream = handshake(https, "a.example").await.unwrap();
        let pem = rustls::pki_types::pem::PemObject::from_pem_slice(pair.0.as_bytes());
        let leaf: rustls::pki_types::CertificateDer<'_> = pem.unwrap();
        assert_eq!(shown(&stream), leaf.to_vec());
        for stream in &mut open {
            let request = b"GET /hello HTTP/1.1\r\nhost: a.example\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = vec![0; 1024];
            let mut length = 0;
            while !answer[..length].ends_with(b"hello") {
                let count = stream.read(&mut answer[length..]).await.unwrap();
                assert!(count > 0, "the connection ended");
                length += count;
            }
            assert!(answer.starts_with(b"HTTP/1.1 200"));
        }
    }
}

#[tokio::test]
async fn silent_and_nonsensical_clients_do_not_keep_others_from_their_handshakes() {
    let server = Server::empty().https().start().await;
    let https = server.https_address();
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(https).await.unwrap());
    }
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[22, 3, 1, 255, 255],
        &[0; 64],
    ] {
        let mut stream = TcpStream::connect(https).await.unwrap();
        let _ = stream.write_all(bytes).await;
        silent.push(stream);
    }
    handshake(https, "localhost").await.unwrap();
}

#[tokio::test]
async fn a_session_that_began_with_an_older_certificate_is_not_resumed() {
    if !has_openssl() {
        skip!("there is no openssl");
    }
    let server = Server::empty().https().start().await;
    let https = server.https_address();
    let session = server.data().join("session.pem");
    let session = session.to_str().unwrap();
    install(&server, "a.example", &certificate(&["a.example"]))
        .await
        .expect(200);
    let name = ["-servername", "a.example", "-tls1_2"];
    s_client(https, &[&name[..], &["-sess_out", session]].concat());
    let again = || s_client(https, &[&name[..], &["-sess_in", session]].concat());
    let resumed = again();
    assert!(resumed.contains("Reused, TLSv1.2"), "{resumed}");
    install(&server, "a.example", &certificate(&["a.example"]))
        .await
        .expect(200);
    let renewed = again();
    assert!(renewed.contains("New, TLSv1.2"), "{renewed}");
}

#[tokio::test]
async fn another_master_key_loses_certificates_but_not_the_server() {
    let server = Server::empty()
        .https()
        .set("server.master_key", "ab".repeat(32));
    let mut server = server.start().await;
    assert!(!server.data().join("master.key").exists());
    let pair = certificate(&["a.example"]);
    install(&server, "a.example", &pair).await.expect(200);
    let before = shown(
        &handshake(server.https_address(), "a.example")
            .await
            .unwrap(),
    );
    server
        .restart_with("server.master_key", "cd".repeat(32))
        .await;
    server.logs("a stored certificate is not served").await;
    let other = shown(
        &handshake(server.https_address(), "a.example")
            .await
            .unwrap(),
    );
    assert_ne!(other, before);
    install(&server, "a.example", &pair).await.expect(200);
    assert_eq!(
        shown(
            &handshake(server.https_address(), "a.example")
                .await
                .unwrap()
        ),
        before
    );
}
