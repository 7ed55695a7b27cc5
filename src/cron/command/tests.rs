//! Commands as people write them, and what is refused of them.

use http::Method;

use super::curl::Target;
use super::*;

fn curl(text: &str) -> CurlCommand {
    match parse(text, false) {
        Ok(Command::Curl(curl)) => *curl,
        other => panic!("{text}: {other:?}"),
    }
}

fn refused(text: &str) -> String {
    parse(text, false).unwrap_err().to_string()
}

#[test]
fn the_seed() {
    let call = curl("curl -fsS https://exec.containers.hoody.com/scripts/certs/renew");
    assert_eq!(call.method, Method::GET);
    let url = "https://exec.containers.hoody.com/scripts/certs/renew";
    assert_eq!(call.target, Target::Url(url.to_owned()));
    let call = curl("curl /scripts/certs/renew?dry_run=true");
    assert_eq!(
        call.target,
        Target::Own("/scripts/certs/renew?dry_run=true".to_owned())
    );
}

#[test]
fn what_curl_would_send() {
    let header = |call: &CurlCommand, name: &str| {
        let value = call.headers.get(name);
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    let call = curl(r#"curl -X PUT -H 'X-A: it'\''s' -H "X-B:\"q\"" -d a=1 --data-raw '@b' /x"#);
    assert_eq!(
        (call.method.as_str(), &call.body[..]),
        ("PUT", &b"a=1&@b"[..])
    );
    assert_eq!(header(&call, "x-a").as_deref(), Some("it's"));
    assert_eq!(header(&call, "x-b").as_deref(), Some("\"q\""));
    let form = "application/x-www-form-urlencoded";
    assert_eq!(header(&call, "content-type").as_deref(), Some(form));

    let call = curl(r#"curl --json '{"a":1}' /x"#);
    assert_eq!(
        (call.method.as_str(), &call.body[..]),
        ("POST", &br#"{"a":1}"#[..])
    );
    assert_eq!(
        header(&call, "content-type").as_deref(),
        Some("application/json")
    );

    let call = curl("curl -G -d a=1 -d b=2 /x?c=3");
    assert_eq!(call.target, Target::Own("/x?c=3&a=1&b=2".to_owned()));
    assert_eq!((call.method.as_str(), call.body.len()), ("GET", 0));

    let call = curl("curl -A agent -e http://r/ -u me:secret -m 1.5 --retry 3 -iL -o/dev/null /x");
    assert_eq!(header(&call, "user-agent").as_deref(), Some("agent"));
    assert_eq!(header(&call, "referer").as_deref(), Some("http://r/"));
    assert_eq!(
        header(&call, "authorization").as_deref(),
        Some("Basic bWU6c2VjcmV0")
    );
    assert_eq!((call.timeout_ms, call.retries), (Some(1500), 3));
    assert!(call.show_head && call.follow_redirects && call.discard_body);

    let call = curl("curl -XPOST -H 'Content-Type:' -d '' --url example.com/a");
    assert_eq!(call.target, Target::Url("http://example.com/a".to_owned()));
    assert_eq!(header(&call, "content-type"), None);
}

#[test]
fn what_is_refused_is_named() {
    let cases = [
        ("", "command is required"),
        ("   ", "command is required"),
        ("bash /scripts/renew.sh", "`bash` is not `curl`"),
        ("certbot renew", "cron.shell"),
        ("curl --dry-run /x", "--dry-run is not supported"),
        ("curl -fsSq /x", "-q is not supported"),
        ("curl --proxy http://p /x", "--proxy is not supported"),
        ("curl -d @/etc/passwd /x", "cannot read files"),
        ("curl --json @x /x", "cannot read files"),
        ("curl -o out /x", "/dev/null"),
        ("curl -T file /x", "-T is not supported"),
        ("curl", "needs a URL"),
        ("curl -s", "needs a URL"),
        ("curl /a /b", "more than one"),
        ("curl /a -H", "-H needs a value"),
        ("curl /a -H novalue", "name: value"),
        ("curl /a --max-time never", "seconds"),
        ("curl /a --max-time -1", "seconds"),
        ("curl /a --retry 99", "up to 10"),
        ("curl file:///etc/passwd", "only http and https"),
        ("curl http://me:pw@host/", "-u"),
        ("curl http://[::1/", "cannot be called"),
        ("curl //evil.example/x", "cannot be called"),
        ("curl /x | jq .", "`|` at position 9 needs a shell"),
        ("curl /x > /tmp/y", "`>`"),
        ("curl /x && rm -rf /", "`&`"),
        ("curl $URL", "`$`"),
        ("curl \"/x?$(id)\"", "`$`"),
        ("curl `id`", "``"),
        ("curl '/x", "quote at position 6 has no end"),
        ("curl \"/x", "quote at position 6 has no end"),
        ("curl /x\\", "has no end"),
        ("curl /x\ncurl /y", "one line"),
        ("curl /x\u{85}", "one line"),
    ];
    for (command, expected) in cases {
        let error = refused(command);
        assert!(error.contains(expected), "{command}: {error}");
    }
    assert!(refused(&format!("curl /{}", "é".repeat(4091))).contains("4096"));
    assert!(parse(&format!("curl /{}", "a".repeat(4090)), false).is_ok());
}

#[test]
fn with_a_shell_other_programs_run() {
    for line in ["bash /scripts/renew.sh", "curl /x | jq .", "echo $HOME"] {
        assert_eq!(parse(line, true), Ok(Command::Shell(line.to_owned())));
    }
    // curl itself is still done in process, and its flags are still checked.
    assert!(matches!(parse("curl /x", true), Ok(Command::Curl(_))));
    assert!(parse("curl --dry-run /x", true).is_err());
    assert!(parse("bash x\nrm y", true).is_err());
}
