//! Directives as people write them, good and bad.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::directives::{Access, BodyLogging, LogLevel, Timeout};

/// `@directive: message`, up to the message's first comma or semicolon.
fn warnings(source: &str) -> Vec<String> {
    let short = |message: &str| {
        message
            .split([',', ';', ':'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let line = |warning: &Warning| format!("{} {}", warning.directive, short(&warning.message));
    parse(source).warnings.iter().map(line).collect()
}

#[test]
fn the_seeds_directives_are_read() {
    let parsed = parse(
        "// scripts/certs/renew.ts\n// @mode serverless\n// @timeout 120000\nconst domains = [];\n",
    );
    assert_eq!(
        parsed.directives.timeout,
        Timeout::After(Duration::from_secs(120))
    );
    assert_eq!(
        Value::from(parsed.comments),
        json!({"mode": "serverless", "timeout": 120000})
    );
    assert_eq!(parsed.warnings, []);
    let parsed =
        parse("// @mode serverless\n// @ai true\n// @ai-model anthropic/claude-sonnet-4.5\n");
    assert!(parsed.directives.ai.enabled);
    assert_eq!(
        parsed.directives.ai.model.as_deref(),
        Some("anthropic/claude-sonnet-4.5")
    );
}

#[test]
fn every_directive_has_a_typed_value_in_json() {
    let source = "\
// @mode worker
// @enabled false
// @timeout none
// @concurrent 4
// @token one the phone
// @token two
// @cors https://example.com
// @cors-credentials true
// @cors-methods get, POST
// @cors-headers X-A,x-b
// @cors-max-age 600
// @log-level minimal
// @log-request-body full
// @log-response-body true
// @log-max-body-size 1mb
// @log-exclude-headers X-Key
// @log-retention-days 30
// @description It renews, weekly
// @label renewal
// @tags a, b
// @fuel 50M
// @memory 128mb
// @rawBody
// @ai-temperature 0.5
// @ai-key sk-1
// @schedule 0 4 * * 0
// @remote-token ci s3cret call
// @remote-token env env:CI
";
    let expected = json!({
        "mode": "worker", "enabled": false, "timeout": "unlimited", "concurrent": 4,
        "token": ["[REDACTED]", "[REDACTED]"],
        "cors": "https://example.com", "corsCredentials": true, "corsMethods": ["GET", "POST"],
        "corsHeaders": ["x-a", "x-b"], "corsMaxAge": 600,
        "logLevel": "minimal", "logRequestBody": "full", "logResponseBody": "full", "logMaxBodySize": 1048576,
        "logExcludeHeaders": ["x-key"], "logRetentionDays": 30,
        "description": "It renews, weekly", "label": "renewal", "tags": ["a", "b"],
        "fuel": 50_000_000, "memory": 134_217_728, "rawBody": true,
        "aiTemperature": 0.5, "aiKey": "[REDACTED]", "schedule": "0 4 * * 0",
        "remoteToken": ["ci [REDACTED] call", "env env:CI"],
    });
    let parsed = parse(source);
    assert_eq!(Value::from(parsed.comments), expected);
    let Access::Token(tokens) = parsed.directives.access else {
        panic!("no token is asked for")
    };
    assert_eq!(tokens, [Secret::new("one"), Secret::new("two")]);
}

#[test]
fn a_bad_value_is_a_warning_and_leaves_the_default() {
    let cases = [
        ("// @mode fast", "@mode is none of `serverless`"),
        ("// @timeout soon", "@timeout is no time"),
        ("// @concurrent 0", "@concurrent is neither `true`"),
        ("// @cors example.com", "@cors is neither `reflective`"),
        ("// @enabled", "@enabled is neither `true` nor `false`"),
        (
            "// @log-retention-days 3651",
            "@log-retention-days is no whole number from 0 to 3650",
        ),
        ("// @memory lots", "@memory is no size"),
        ("// @description", "@description has no value"),
    ];
    for (source, expected) in cases {
        assert_eq!(warnings(source), [expected], "{source}");
        assert_eq!(parse(source).directives, Directives::default(), "{source}");
    }
}

#[test]
fn what_protects_stays_closed_on_a_bad_value() {
    let long = format!("// @token {}", "x".repeat(5000));
    for source in [
        "// @token",
        "// @token [REDACTED]",
        "// @token a\u{7}b",
        &long,
    ] {
        let parsed = parse(source);
        assert_eq!(parsed.directives.access, Access::Token(vec![]), "{source}");
        assert_eq!(parsed.warnings.len(), 1, "{source}");
    }
    let many: String = (0..20).map(|n| format!("// @token t{n}\n")).collect();
    let parsed = parse(&many);
    assert!(matches!(parsed.directives.access, Access::Token(tokens) if tokens.len() == 16));
    assert_eq!(parsed.warnings.len(), 4);
    assert!(
        parsed
            .warnings
            .iter()
            .all(|warning| warning.value == Secret::PLACEHOLDER)
    );
    let parsed = parse("// @log-request-body some\n// @log-level debug");
    assert_eq!(parsed.directives.log.request_body, BodyLogging::Redacted);
    assert_eq!(parsed.directives.log.level, LogLevel::Debug);
}

#[test]
fn what_has_no_effect_is_said() {
    let cases: [(&str, &[&str]); 13] = [
        (
            "// @websocket true",
            &["@websocket is not available yet and has no effect"],
        ),
        (
            "// @mode worker\n// @mode serverless",
            &["@mode stands more than once"],
        ),
        (
            "// @cors-max-age 5",
            &["@cors-max-age has no effect without `@cors reflective` or `@cors <origin>`"],
        ),
        (
            "// @mode worker\n// @concurrent 2",
            &["@concurrent has no effect in worker mode"],
        ),
        (
            "return 1\n// @token x",
            &["@token stands on line 2 and has no effect"],
        ),
        (
            "/** @token x */\nreturn 1",
            &["@token stands in a block comment on line 1 and has no effect"],
        ),
        (
            "/**\n * Words.\n * @enabled false\n * @returns {string}\n */\n// @ai true",
            &["@enabled stands in a block comment on line 3 and has no effect"],
        ),
        ("return 1\n/** @token x */", &[]),
        ("/** @description x\n * @timeout how long */", &[]),
        (
            "// @Mode worker",
            &["@Mode is not a directive and has no effect"],
        ),
        (
            "// @tokens x",
            &["@tokens is not a directive and has no effect"],
        ),
        (
            "// @cors_max_age: 3",
            &["@cors_max_age: is not a directive and has no effect"],
        ),
        (
            "// @ts-check\n// @author me\n// @await-promises true\nreturn\n// @ts-ignore",
            &[],
        ),
    ];
    for (source, expected) in cases {
        let expected: Vec<String> = expected.iter().map(|text| short_message(text)).collect();
        assert_eq!(warnings(source), expected, "{source}");
    }
    let many = parse(&format!("x\n{}", "// @mode worker\n".repeat(1000)));
    assert_eq!(many.warnings.len(), MAX_WARNINGS);
    assert_eq!(
        parse("// @tokens hush").warnings[0].value,
        Secret::PLACEHOLDER
    );
}

fn short_message(text: &str) -> String {
    let (directive, message) = text.split_once(' ').unwrap();
    let end = message.find([',', ';', ':']).unwrap_or(message.len());
    format!("{directive} {}", &message[..end])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_text_makes_the_parser_panic(source in "\\PC{0,100}|(// ?@(token|mode|timeout|cors|log-level|x) ?[a-z0-9\\[\\].]{0,12}[\r\n]{1,2}){0,8}\\PC{0,20}") {
        let parsed = parse(&source);
        prop_assert!(parsed.warnings.len() <= MAX_WARNINGS);
    }
}
