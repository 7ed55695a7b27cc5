//! `footpath cron` against a running server.

use std::process::Output;

use serde_json::Value;

use crate::harness::{ROOT_TOKEN, Server, footpath};
use crate::proxy::{certificate, install};

fn cron(server: &Server, arguments: &[&str]) -> Output {
    cron_at(&format!("http://{}", server.address()), arguments)
}

fn cron_at(url: &str, arguments: &[&str]) -> Output {
    let mut command = footpath();
    command
        .args(["cron", "--server", url])
        .args(arguments)
        .env("FOOTPATH_TOKEN", ROOT_TOKEN);
    command.output().expect("the program runs")
}

fn text(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_from_the_command_line() {
    let server = Server::with_script("hello.ts", "return 'hello there'")
        .start()
        .await;
    let made = cron(
        &server,
        &[
            "add",
            "0 4 * * 0",
            "curl /hello",
            "--name",
            "greeting",
            "--timezone",
            "Asia/Kathmandu",
            "--jitter-seconds",
            "7",
            "--deadline-seconds",
            "8",
            "--json",
        ],
    );
    let made: Value = serde_json::from_str(&text(&made)).unwrap();
    assert_eq!(
        (&made["jitter_seconds"], &made["deadline_seconds"]),
        (&7.into(), &8.into())
    );
    let id = made["id"].as_str().unwrap();
    let list = text(&cron(&server, &["list"]));
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 2, "{list}");
    assert!(
        lines[0].starts_with("ID ") && lines[0].contains("NEXT RUN"),
        "{list}"
    );
    for part in [
        id,
        "0 4 * * 0",
        "Asia/Kathmandu",
        "T04:00:00+05:45",
        "curl /hello",
        "greeting",
    ] {
        assert!(lines[1].contains(part), "{part}: {list}");
    }
    let would = text(&cron(&server, &["run", id, "--dry-run"]));
    assert!(would.contains("\"url\": \"/hello\""), "{would}");
    let ran = text(&cron(&server, &["run", id]));
    assert!(
        ran.contains("manual") && ran.contains("hello there"),
        "{ran}"
    );
    let runs = text(&cron(&server, &["runs", id, "--outcome", "ok"]));
    assert_eq!(runs.lines().count(), 2, "{runs}");
    text(&cron(&server, &["rm", id]));
    let again = cron(&server, &["rm", id]);
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("ENTRY_NOT_FOUND"));
    let wrong = cron(&server, &["add", "@reboot", "curl /hello"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("@reboot"));
    assert_eq!(text(&cron(&server, &["list"])).lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_it_believes_whom_it_is_told_to() {
    let server = Server::empty().https().start().await;
    let pair = certificate(&["localhost"]);
    install(&server, "localhost", &pair).await.expect(200);
    let authority = server.data().with_extension("pem");
    std::fs::write(&authority, &pair.0).unwrap();
    let authority = authority.to_str().unwrap();
    let port = server.https_address().port();
    let named = format!("https://localhost:{port}");
    let refusal = |url: &str, arguments: &[&str]| {
        let output = cron_at(url, arguments);
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // Nobody known vouches for it.
    let unknown = refusal(&named, &["list"]);
    assert!(
        unknown.contains("certificate") && unknown.contains("--ca FILE"),
        "{unknown}"
    );
    let list = text(&cron_at(&named, &["list", "--ca", authority]));
    assert_eq!(list.lines().count(), 1, "{list}");
    // The system's authorities are where OpenSSL looks for them.
    let mut command = footpath();
    command
        .args(["cron", "--server", &named, "list"])
        .env("FOOTPATH_TOKEN", ROOT_TOKEN)
        .env("SSL_CERT_FILE", authority);
    text(&command.output().unwrap());
    // The address has no name that it could be certified for.
    let address = format!("https://127.0.0.1:{port}");
    refusal(&address, &["list", "--ca", authority]);
    text(&cron_at(&address, &["list", "--insecure"]));
    for (arguments, said) in [
        (&["list", "--ca", authority, "--insecure"][..], "--insecure"),
        (&["list", "--ca", "/nothing.pem"], "/nothing.pem"),
    ] {
        let refused = refusal(&named, arguments);
        assert!(refused.contains(said), "{refused}");
    }
    let scheme = refusal("ftp://localhost", &["list"]);
    assert!(scheme.contains("http:// or https://"), "{scheme}");
}
