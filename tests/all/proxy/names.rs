//! Certificates and names that are not as they should be: each is refused with a
//! reason and changes nothing, or is read in its one normal form.

use std::process::Command;

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{BUNDLE, certificate, data, handshake, install, s_client, shown};
use crate::harness::{PATIENCE, Server, skip};

/// The key, encrypted by `openssl` as people do it.
fn encrypted(key: &str, arguments: &[&str]) -> Option<String> {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new("openssl")
        .args(arguments)
        .args(["-passout", "pass:secret"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(key.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    String::from_utf8(output.stdout).ok()
}

#[tokio::test]
async fn a_bundle_that_is_not_whole_is_refused_with_the_reason() {
    let (chain, key) = certificate(&["a.example"]);
    let Some(pkcs8) = encrypted(&key, &["pkcs8", "-topk8"]) else {
        skip!("there is no openssl");
    };
    let traditional = encrypted(&key, &["ec", "-aes128"]).unwrap();
    let server = Server::empty().https().start().await;
    let good = certificate(&["a.example"]);
    install(&server, "a.example", &good).await.expect(200);
    let https = server.https_address();
    let before = shown(&handshake(https, "a.example").await.unwrap());
    let second = chain.find("-----END CERTIFICATE-----\n").unwrap();
    let (leaf, root) = chain.split_at(second + "-----END CERTIFICATE-----\n".len());
    let other = certificate(&["a.example"]);
    let expired = {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(["a.example".to_owned()]).unwrap();
        leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(2021, 1, 1);
        (leaf.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let cases = [
        ("an encrypted key", chain.clone(), pkcs8, "encrypted"),
        (
            "an encrypted key of old",
            chain.clone(),
            traditional,
            "encrypted",
        ),
        (
            "half a key",
            chain.clone(),
            key[..key.len() / 2].to_owned(),
            "key",
        ),
        (
            "half a chain",
            chain[..chain.len() / 2].to_owned(),
            key.clone(),
            "chain",
        ),
        (
            "half a certificate",
            leaf[..leaf.len() / 2].to_owned(),
            key.clone(),
            "chain",
        ),
        ("a leaf last", format!("{root}{leaf}"), key.clone(), "order"),
        ("another key", chain.clone(), other.1.clone(), "key"),
        ("a key for a chain", key.clone(), key.clone(), "certificate"),
        ("a chain for a key", chain.clone(), chain.clone(), "key"),
        ("nothing", String::new(), key.clone(), "required"),
        ("expired", expired.0.clone(), expired.1.clone(), "2021"),
    ];
    for (what, cert, key, reason) in &cases {
        let body = json!({ "d": "a.example", "cert": { "cert": cert, "key": key } });
        let sent = server
            .request(http::Method::PATCH, BUNDLE)
            .as_root()
            .body(body.to_string());
        let reply = sent.await;
        assert!(reply.status.is_client_error(), "{what}: {reply:?}");
        let text = reply.text().to_lowercase();
        assert!(text.contains(reason), "{what}: {text}");
        assert!(!text.contains("begin "), "{what}: {text}");
    }
    // A megabyte of what could be certificates.
    let body = json!({ "d": "a.example", "cert": { "cert": leaf.repeat(3_000), "key": key } });
    assert!(body.to_string().len() > 1 << 20);
    let sent = server
        .request(http::Method::PATCH, BUNDLE)
        .as_root()
        .body(body.to_string());
    sent.await.expect(413);
    assert_eq!(shown(&handshake(https, "a.example").await.unwrap()), before);
    // An expired one is for those who insist.
    let body =
        json!({ "d": "a.example", "force": true, "cert": { "cert": expired.0, "key": expired.1 } });
    let sent = server
        .request(http::Method::PATCH, BUNDLE)
        .as_root()
        .body(body.to_string());
    sent.await.expect(200);
    assert_ne!(shown(&handshake(https, "a.example").await.unwrap()), before);
}

#[tokio::test]
async fn a_name_has_one_form_and_addresses_have_none() {
    let server = Server::empty().https().start().await;
    let https = server.https_address();
    let cases = [
        ("Dotted.Example.", &["dotted.example"][..], "dotted.example"),
        ("UPPER.EXAMPLE", &["upper.example"], "upper.example"),
        (
            "bücher.example",
            &["xn--bcher-kva.example"],
            "xn--bcher-kva.example",
        ),
        ("XN--FSQ.example", &["xn--fsq.example"], "xn--fsq.example"),
    ];
    for (given, names, normal) in cases {
        let pair = certificate(names);
        let told = install(&server, given, &pair).await.expect(200).json();
        assert_eq!(data(&told)["domain"], normal, "{given}");
        let fingerprint = data(&told)["fingerprint"].as_str().unwrap().to_owned();
        for name in [normal.to_owned(), normal.to_uppercase()] {
            let found = shown(&handshake(https, &name).await.unwrap());
            let hex: String = {
                use sha2::{Digest, Sha256};
                Sha256::digest(&found)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            };
            assert_eq!(hex, fingerprint, "{name}");
        }
    }
    // A wildcard is one label, and exact names come first.
    install(&server, "*.wide.example", &certificate(&["*.wide.example"]))
        .await
        .expect(200);
    install(&server, "x.wide.example", &certificate(&["x.wide.example"]))
        .await
        .expect(200);
    let wide = shown(&handshake(https, "a.wide.example").await.unwrap());
    assert_eq!(
        shown(&handshake(https, "b.wide.example").await.unwrap()),
        wide
    );
    assert_ne!(
        shown(&handshake(https, "x.wide.example").await.unwrap()),
        wide
    );
    assert_ne!(
        shown(&handshake(https, "a.b.wide.example").await.unwrap()),
        wide
    );
    for bad in [
        "*.com",
        "*",
        "127.0.0.1",
        "[::1]",
        "::1",
        "a..b",
        "a b",
        "",
        "-a.example",
        "a.*.example",
    ] {
        let pair = certificate(&["a.example"]);
        let reply = install(&server, bad, &pair).await.expect(400);
        let text: Value = reply.json();
        assert!(
            text["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{bad}: {text}"
        );
    }
}

/// A ClientHello for TLS 1.2 with this server name, put together by hand, since no
/// client would send it.
fn hello(name: &[u8]) -> Vec<u8> {
    let sized = |bytes: &[u8]| {
        [
            &u16::try_from(bytes.len()).unwrap().to_be_bytes()[..],
            bytes,
        ]
        .concat()
    };
    let entry = [&[0][..], &sized(name)].concat();
    let extension = |kind: u16, body: &[u8]| [&kind.to_be_bytes()[..], &sized(body)].concat();
    let extensions = [
        extension(0, &sized(&entry)),
        // Groups, signatures, point formats.
        extension(10, &sized(&[0, 29, 0, 23])),
        extension(13, &sized(&[4, 3, 8, 4, 4, 1])),
        extension(11, &[1, 0]),
    ]
    .concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0],
        &sized(&[0xc0, 0x2b, 0xc0, 0x2f]),
        &[1, 0],
        &sized(&extensions),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let handshake = [&[1][..], &length[1..], &body].concat();
    [&[22, 3, 1][..], &sized(&handshake)].concat()
}

/// The kind of the first record that comes back: 22 is a handshake, 21 an alert.
async fn answer_to(server: &Server, name: &[u8]) -> Option<u8> {
    let mut stream = TcpStream::connect(server.https_address()).await.unwrap();
    stream.write_all(&hello(name)).await.unwrap();
    let mut kind = [0];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut kind)).await;
    (read.expect("an answer in time").ok()? == 1).then_some(kind[0])
}

#[tokio::test]
async fn server_names_that_nobody_should_send_get_an_alert_or_the_default() {
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;
    let long = [&b"a.".repeat(126)[..], b"abc"].concat();
    assert_eq!(long.len(), 255);
    for refuse in [false, true] {
        let server = Server::empty()
            .set("proxy.refuse_unknown", refuse)
            .https()
            .start()
            .await;
        install(&server, "a.example", &certificate(&["a.example"]))
            .await
            .expect(200);
        assert_eq!(answer_to(&server, b"a.example").await, Some(HANDSHAKE));
        let unknown = if refuse { ALERT } else { HANDSHAKE };
        assert_eq!(answer_to(&server, b"unknown.example").await, Some(unknown));
        // No host name at all by RFC 6066, section 3: each ends at once, or as an unknown one does.
        for name in [
            &b""[..],
            &long,
            b"a\0.example",
            b"a example",
            b".",
            b"..",
            b"\xff\xfe",
            b"a.example\0",
        ] {
            let kind = answer_to(&server, name).await;
            assert!(
                kind.is_none() || kind == Some(ALERT) || (!refuse && kind == Some(HANDSHAKE)),
                "{name:?}: {kind:?}"
            );
        }
        // An address is as good as no name: it gets the default.
        assert_eq!(answer_to(&server, b"127.0.0.1").await, Some(HANDSHAKE));
        assert_eq!(answer_to(&server, b"A.Example").await, Some(HANDSHAKE));
        handshake(server.https_address(), "a.example")
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_unknown_name_gets_the_configured_default() {
    let server = Server::empty()
        .set("proxy.default_domain", "main.example")
        .https()
        .start()
        .await;
    let https = server.https_address();
    let unnamed = s_client(https, &["-noservername"]);
    assert!(
        unnamed.contains("Footpath, self-signed"),
        "until it is there: {unnamed}"
    );
    install(&server, "main.example", &certificate(&["main.example"]))
        .await
        .expect(200);
    let main = shown(&handshake(https, "main.example").await.unwrap());
    assert_eq!(
        shown(&handshake(https, "unknown.example").await.unwrap()),
        main
    );
    let unnamed = s_client(https, &["-noservername"]);
    assert!(!unnamed.contains("Footpath, self-signed"), "{unnamed}");
}
