//! What an entry may be.

use super::*;

fn terms() -> Terms {
    Terms {
        timezone: Tz::UTC,
        timeout_seconds: 60,
        shell: false,
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn wanted() -> Wanted {
    Wanted {
        schedule: Some("0 4 * * 0".to_owned()),
        command: Some("curl /x".to_owned()),
        ..Wanted::default()
    }
}

#[test]
fn what_may_not_be_in_an_entry() {
    let create = |wanted| Entry::create("a", wanted, &terms(), now());
    let check = |wanted: Wanted, expected: &str| {
        let error = create(wanted).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    for sign in [
        '\n', '\r', '\0', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
    ] {
        let text = Some(Some(format!("a{sign}b")));
        check(
            Wanted {
                comment: text.clone(),
                ..wanted()
            },
            "comment must be one line",
        );
        check(
            Wanted {
                name: text,
                ..wanted()
            },
            "name must be one line",
        );
        check(
            Wanted {
                command: Some(format!("curl /x{sign}")),
                ..wanted()
            },
            "one line",
        );
    }
    check(
        Wanted {
            name: Some(Some("é".repeat(121))),
            ..wanted()
        },
        "120",
    );
    check(
        Wanted {
            comment: Some(Some("é".repeat(501))),
            ..wanted()
        },
        "500",
    );
    check(
        Wanted {
            schedule: None,
            ..wanted()
        },
        "schedule is required",
    );
    check(
        Wanted {
            command: None,
            ..wanted()
        },
        "command",
    );
    check(
        Wanted {
            timezone: Some(Some("Mars/Base".into())),
            ..wanted()
        },
        "Mars/Base",
    );
    check(
        Wanted {
            timeout_seconds: Some(0),
            ..wanted()
        },
        "1 to 86400",
    );
    check(
        Wanted {
            retries: Some(11),
            ..wanted()
        },
        "0 to 10",
    );
    for (time, expected) in [
        ("soon", "RFC 3339"),
        ("2027-01-15T08:00:00Z", "future"),
        ("2027-01-15T09:00:00+01:00", "future"),
    ] {
        let expires_at = Some(Some(time.to_owned()));
        check(
            Wanted {
                expires_at,
                ..wanted()
            },
            expected,
        );
    }
    let entry = create(Wanted {
        name: Some(Some("é".repeat(120))),
        ..wanted()
    })
    .unwrap();
    assert_eq!(entry.record.revision, 1);
}

#[test]
fn clearing_the_end_wins() {
    let later = Some(Some("2027-01-15T08:00:01Z".to_owned()));
    let entry = Entry::create(
        "a",
        Wanted {
            expires_at: later.clone(),
            ..wanted()
        },
        &terms(),
        now(),
    );
    let entry = entry.unwrap();
    assert!(!entry.is_expired(now()));
    let at = now() + chrono::TimeDelta::seconds(1);
    assert!(entry.is_expired(at));
    let both = Wanted {
        expires_at: later,
        clear_expiration: true,
        ..Wanted::default()
    };
    let cleared = entry.update(both, &terms(), now()).unwrap();
    assert_eq!(
        (cleared.record.expires_at, cleared.record.revision),
        (None, 2)
    );
    assert!(!cleared.is_expired(at));
}
