//! The TLS profile as those see it who look for weak ones: sslscan and testssl.
//! Mozilla's intermediate set: TLS 1.2 and 1.3, forward secrecy, AEAD.

use std::process::Command;

use serde_json::Value;

use super::{certificate, install};
use crate::harness::{Server, skip};

/// Mozilla's guidelines, version 5.7 and 6.0, without what nobody offers by ECDSA keys.
const INTERMEDIATE: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

async fn server() -> Server {
    let server = Server::empty()
        .set("proxy.default_domain", "a.example")
        .https()
        .start()
        .await;
    let pair = certificate(&["a.example"]);
    install(&server, "a.example", &pair).await.expect(200);
    server
}

#[tokio::test]
async fn sslscan_finds_the_intermediate_set_and_nothing_else() {
    let server = server().await;
    let output = Command::new("sslscan")
        .args(["--no-colour", "--sni-name=a.example", "--xml=-"])
        .arg(server.https_address().to_string())
        .output();
    let Ok(output) = output else {
        skip!("there is no sslscan");
    };
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    let attribute = |line: &str, name: &str| {
        let value = line
            .split(&format!(" {name}=\""))
            .nth(1)?
            .split('"')
            .next()?;
        Some(value.to_owned())
    };
    let enabled = |version: &str| {
        let line = found.lines().find(|line| {
            line.contains("<protocol ") && line.contains(&format!("version=\"{version}\""))
        });
        line.is_some_and(|line| line.contains("enabled=\"1\""))
    };
    for (version, expected) in [
        ("2", false),
        ("3", false),
        ("1.0", false),
        ("1.1", false),
        ("1.2", true),
        ("1.3", true),
    ] {
        assert_eq!(enabled(version), expected, "{version}: {found}");
    }
    let ciphers: Vec<String> = found
        .lines()
        .filter(|line| line.contains("<cipher "))
        .filter_map(|line| attribute(line, "cipher"))
        .collect();
    assert!(ciphers.len() >= 6, "{found}");
    for cipher in &ciphers {
        assert!(INTERMEDIATE.contains(&cipher.as_str()), "{cipher}: {found}");
    }
    for (line, name, expected) in [
        ("<compression", "supported", "0"),
        ("<heartbleed", "vulnerable", "0"),
    ] {
        for line in found.lines().filter(|found| found.contains(line)) {
            assert_eq!(attribute(line, name).as_deref(), Some(expected), "{line}");
        }
    }
}

#[tokio::test]
async fn testssl_has_nothing_to_complain_of() {
    let server = server().await;
    let file = server.data().join("testssl.json");
    // Protocols, kinds of ciphers, forward secrecy, and known holes.
    let output = Command::new("testssl")
        .args([
            "--quiet",
            "--color",
            "0",
            "--warnings",
            "off",
            "--connect-timeout",
            "10",
        ])
        .args([
            "--protocols",
            "--std",
            "--pfs",
            "--heartbleed",
            "--ccs-injection",
            "--ticketbleed",
        ])
        .args([
            "--renegotiation",
            "--crime",
            "--poodle",
            "--freak",
            "--logjam",
            "--rc4",
        ])
        .args(["--jsonfile", file.to_str().unwrap()])
        .arg(server.https_address().to_string())
        .output();
    let Ok(output) = output else {
        skip!("there is no testssl");
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("no findings: {said}"));
    let findings: Vec<Value> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let finding = |id: &str| {
        let found = findings.iter().find(|finding| finding["id"] == id);
        found.unwrap_or_else(|| panic!("nothing of {id}: {text}"))["finding"]
            .as_str()
            .unwrap()
    };
    for old in ["SSLv2", "SSLv3", "TLS1", "TLS1_1"] {
        assert!(finding(old).contains("not offered"), "{old}: {text}");
    }
    for new in ["TLS1_2", "TLS1_3", "PFS"] {
        assert!(finding(new).starts_with("offered"), "{new}: {text}");
    }
    let bad = ["MEDIUM", "HIGH", "CRITICAL"];
    let complaints: Vec<&Value> = findings
        .iter()
        .filter(|finding| bad.iter().any(|severity| finding["severity"] == *severity))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
