//! Who may pass which group.

use super::*;

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = list.iter();
    pairs
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
        .collect()
}

fn closed() -> Permissions {
    let mut permissions = Permissions {
        default: Verdict::Deny,
        ..Permissions::default()
    };
    let token = |header: Option<&str>, cookie: Option<&str>, param: Option<&str>| {
        let owned = |name: Option<&str>| name.map(str::to_owned);
        Group::token(owned(header), owned(cookie), owned(param), "s3cret").unwrap()
    };
    let password = Group::password(
        "ann".to_owned(),
        &digest(&["salt", "pass"]),
        "salt".to_owned(),
    );
    for (name, group) in [
        ("header", token(Some("X-Key"), None, None)),
        ("cookie", token(None, Some("key"), None)),
        ("param", token(None, None, Some("key"))),
        ("password", password.unwrap()),
        ("office", Group::ip("10.0.0.0/8").unwrap()),
    ] {
        permissions.put(name, group).unwrap();
    }
    permissions
}

#[test]
fn any_group_lets_a_request_in() {
    let permissions = closed();
    let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
    let (right, wrong) = (basic("ann:pass"), basic("ann:past"));
    let cases: [(&[(&'static str, &str)], Option<&str>, &str, Option<&str>); 12] = [
        (&[("x-key", "s3cret")], None, "1.1.1.1", Some("header")),
        (
            &[("x-key", "Bearer s3cret")],
            None,
            "1.1.1.1",
            Some("header"),
        ),
        (&[("x-key", "s3cre")], None, "1.1.1.1", None),
        (
            &[("cookie", "a=b; key=s3cret")],
            None,
            "1.1.1.1",
            Some("cookie"),
        ),
        (&[("cookie", "akey=s3cret")], None, "1.1.1.1", None),
        (&[], Some("a=b&key=s3cret"), "1.1.1.1", Some("param")),
        (&[], Some("%6bey=s3%63ret"), "1.1.1.1", Some("param")),
        (&[], Some("key="), "1.1.1.1", None),
        (
            &[("authorization", &right)],
            None,
            "1.1.1.1",
            Some("password"),
        ),
        (&[("authorization", &wrong)], None, "1.1.1.1", None),
        (&[], None, "10.2.3.4", Some("office")),
        (&[], None, "::ffff:10.2.3.4", Some("office")),
    ];
    for (list, query, client, expected) in cases {
        let found = permissions.admit(
            &headers(list),
            query,
            client.parse().unwrap(),
            "http",
            Utc::now(),
        );
        let wanted = match expected {
            Some(group) => Admission::Admitted {
                group: Some(group.to_owned()),
            },
            None => Admission::Unknown { basic: true },
        };
        assert_eq!(found, wanted, "{list:?} {query:?} {client}");
    }
}

#[test]
fn the_default_the_switch_and_denied_groups() {
    let client = "1.1.1.1".parse().unwrap();
    let nobody = HeaderMap::new();
    let open = Permissions::default();
    assert_eq!(
        open.admit(&nobody, None, client, "http", Utc::now()),
        Admission::Admitted { group: None }
    );
    let off = Permissions {
        enable_proxy: false,
        ..open
    };
    assert_eq!(
        off.admit(&nobody, None, client, "http", Utc::now()),
        Admission::Forbidden
    );
    let mut permissions = closed();
    let denied = BTreeMap::from([(ANY_PROGRAM.to_owned(), Verdict::Deny)]);
    permissions.permissions.insert("param".to_owned(), denied);
    let found = permissions.admit(&nobody, Some("key=s3cret"), client, "http", Utc::now());
    assert_eq!(found, Admission::Forbidden);
    for (said, expected) in [
        (("http", Verdict::Allow), Verdict::Allow),
        (("http", Verdict::Deny), Verdict::Deny),
        (("exec", Verdict::Allow), Verdict::Deny),
        (("exec", Verdict::Deny), Verdict::Deny),
        (("*", Verdict::Allow), Verdict::Allow),
    ] {
        let programs = BTreeMap::from([
            (said.0.to_owned(), said.1),
            ("x".to_owned(), Verdict::Allow),
        ]);
        permissions.permissions.insert("param".to_owned(), programs);
        assert_eq!(permissions.of_group("param", "http"), expected, "{said:?}");
    }
    for (name, _) in closed().groups {
        if name != "office" {
            permissions.remove(&name).unwrap();
        }
    }
    assert_eq!(
        permissions.admit(&nobody, None, client, "http", Utc::now()),
        Admission::Forbidden
    );
}

#[test]
fn what_is_no_group_is_refused() {
    let some = |name: &str| Some(name.to_owned());
    assert!(Group::token(some("a"), some("b"), None, "x").is_err());
    assert!(Group::token(None, None, None, "x").is_err());
    assert!(Group::token(some("a"), None, None, "").is_err());
    assert!(Group::token(some("a b"), None, None, "x").is_err());
    assert!(Group::password("a".to_owned(), "plain", String::new()).is_err());
    assert!(Group::ip("10.0.0.0/33").is_err());
    let mut permissions = Permissions::default();
    for name in ["", "a b", "a/b", &"a".repeat(65)] {
        assert!(
            permissions.put(name, Group::ip("::1").unwrap()).is_err(),
            "{name}"
        );
    }
}
