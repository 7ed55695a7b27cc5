//! Which source wins, what is refused, and that the document is complete.

use super::*;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, text)| (name.to_string(), text.to_string()))
        .collect()
}

fn from_file(text: &str) -> Result<Config, ConfigError> {
    Config::parse(&Sources {
        file: Some((Path::new("footpath.toml"), text)),
        ..Sources::default()
    })
}

fn from_variables(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::parse(&Sources {
        variables: variables(pairs),
        ..Sources::default()
    })
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file() {
    let file = "[limits]\nwall_clock_ms = 1\nfuel_units = 1\nmemory_bytes = 1\n";
    let config = Config::parse(&Sources {
        flags: vec![("limits.memory_bytes", "3".to_owned())],
        variables: variables(&[
            ("FOOTPATH_LIMITS_FUEL_UNITS", "2"),
            ("FOOTPATH_LIMITS_MEMORY_BYTES", "2"),
        ]),
        file: Some((Path::new("f"), file)),
    })
    .unwrap();
    let limits = config.limits;
    assert_eq!(
        (limits.wall_clock_ms, limits.fuel_units, limits.memory_bytes),
        (1, 2, 3)
    );
    assert_eq!(limits.log_bytes, Limits::default().log_bytes);
}

#[test]
fn every_key_can_be_set_by_variable_and_file() {
    let sample = |value: &str, key: &str| match (value.chars().next(), key) {
        (_, "server.http" | "server.https") => "\"127.0.0.1:9\"".to_owned(),
        (Some('"') | None, _) => "\"sample\"".to_owned(),
        (Some('['), _) => "[\"a\", \"b\"]".to_owned(),
        (Some('t' | 'f'), _) => "true".to_owned(),
        (Some(_), _) => "77".to_owned(),
    };
    for section in Config::default().sections() {
        for key in section.keys() {
            let name = format!("{}.{}", section.part(), key.field);
            let toml = sample(key.value.as_deref().unwrap_or_default(), &name);
            let by_file = from_file(&format!("{name} = {toml}")).unwrap();
            let text = toml.replace(['"', '[', ']'], "");
            let by_variable = from_variables(&[(&variable_name(&name), &text)]).unwrap();
            assert_eq!(by_file, by_variable, "{name}");
            assert_ne!(by_file, Config::default(), "{name}");
        }
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let cases = [
        ("[server]\nhtpp = \"x\"", "server.http"),
        ("[servr]\nhttp = \"x\"", "server.http"),
        ("memory_bytes = 1", "limits.memory_bytes"),
        ("[limit]\nmemory_bytes = 1", "limits.memory_bytes"),
    ];
    for (text, expected) in cases {
        let message = from_file(text).unwrap_err().to_string();
        assert!(
            message.contains(&format!("did you mean {expected}?")),
            "{message}"
        );
        assert!(message.starts_with("footpath.toml: "), "{message}");
    }
    for text in [
        "[zzzzzzzzzz]",
        "zzzzzzzzzz = 1",
        "[server.zzzzzzzzzz]\na = 1",
    ] {
        let message = from_file(text).unwrap_err().to_string();
        assert!(message.contains("check --print"), "{message}");
    }
    let cases = [
        ("FOOTPATH_AI_MODLE", "FOOTPATH_AI_MODEL"),
        ("FOOTPATH_TOKN", "FOOTPATH_TOKEN"),
        ("FOOTPATH_CONFG", "FOOTPATH_CONFIG"),
    ];
    for (name, expected) in cases {
        let message = from_variables(&[(name, "x")]).unwrap_err().to_string();
        assert!(
            message.contains(&format!("did you mean {expected}?")),
            "{message}"
        );
    }
}

#[test]
fn values_of_the_wrong_type_are_refused_without_showing_them() {
    let cases = [
        "server.http = 8080",
        "server.http = \"localhost\"",
        "server.dev = \"hunter2\"",
        "limits.memory_bytes = -1",
        "limits.memory_bytes = 1.5",
        "limits.memory_bytes = \"hunter2\"",
        "limits.memory_bytes = 0",
        "egress.allow = \"hunter2\"",
        "egress.allow = [1]",
        "server.data = \"\"",
        "server = 1",
    ];
    for text in cases {
        let error = from_file(text).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let error = from_variables(&[("FOOTPATH_LIMITS_LOG_BYTES", "hunter2")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the variable FOOTPATH_LIMITS_LOG_BYTES: the setting \"limits.log_bytes\" must be a whole number, 0 or more"
    );
}

#[test]
fn a_syntax_error_has_a_line_and_a_column() {
    let error = from_file("[server]\nhttp = \n").unwrap_err();
    assert!(
        matches!(
            error,
            ConfigError::Syntax {
                line: 2,
                column: 8..,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn secrets_stay_hidden() {
    let config = from_variables(&[
        ("FOOTPATH_TOKEN", "hunter2"),
        ("FOOTPATH_AUTH_TOKEN", "long name loses"),
        ("OPENAI_API_KEY", "hunter3"),
    ])
    .unwrap();
    assert_eq!(config.auth.token.as_ref().unwrap().expose(), "hunter2");
    assert_eq!(config.ai.api_key.as_ref().unwrap().expose(), "hunter3");
    let shown = format!("{config:?}{config:#?}{}", config.document());
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn openai_variables_serve_only_when_ours_are_absent() {
    let both = [
        ("OPENAI_BASE_URL", "theirs"),
        ("OPENAI_API_KEY", "theirs"),
        ("FOOTPATH_AI_BASE_URL", "ours"),
        ("FOOTPATH_AI_API_KEY", ""),
    ];
    let ai = from_variables(&both).unwrap().ai;
    assert_eq!(ai.base_url.unwrap(), "ours");
    assert_eq!(ai.api_key.unwrap().expose(), "theirs");
}

#[test]
fn the_document_of_the_defaults_reads_back_as_the_defaults() {
    let document = Config::default().document();
    assert_eq!(from_file(&document), Ok(Config::default()));
    for key in Config::keys() {
        let (_, field) = key.split_once('.').unwrap();
        assert!(
            document.contains(&format!("\n{field} ="))
                || document.contains(&format!("\n# {field} =")),
            "{key}"
        );
    }
}

#[test]
fn the_file_is_named_by_the_flag_else_the_variable() {
    let variables = variables(&[("FOOTPATH_CONFIG", "/a")]);
    assert_eq!(
        Config::file(Some("/b".into()), &variables),
        Some("/b".into())
    );
    assert_eq!(Config::file(None, &variables), Some("/a".into()));
    assert_eq!(Config::file(None, &BTreeMap::new()), None);
    let error = Config::load(Some(Path::new("/no/such/file")), Sources::default()).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
}
