//! Which of several bundles a name is shown, while they come and go.

use super::*;

#[tokio::test]
async fn exact_names_win_over_wildcards_and_those_over_the_default() {
    let dir = TempDir::new().unwrap();
    let bundles = open(&dir).await;
    let install = async |domain: &str, names: &[&str]| {
        let new = bundle(domain, &pair(names));
        let installed = bundles.install(new, Precondition::None).await.unwrap();
        installed.info.fingerprint
    };
    let wide = install("*.example.com", &["*.example.com", "example.com"]).await;
    let exact = install("www.example.com", &["www.example.com"]).await;
    let default = shown(&bundles, "nothing.example");
    let long = "a".repeat(255);
    let cases = [
        ("www.example.com", &exact),
        ("WWW.example.com.", &exact),
        ("api.example.com", &wide),
        ("example.com", &wide),
        ("a.b.example.com", &default),
        ("com", &default),
        ("", &default),
        (&long, &default),
    ];
    for (name, expected) in cases {
        assert_eq!(&shown(&bundles, name), expected, "{name}");
    }
    // A bundle's own domain is not taken over by another that covers it too.
    let both = install("api.example.com", &["api.example.com", "www.example.com"]).await;
    assert_eq!(shown(&bundles, "api.example.com"), both);
    assert_eq!(shown(&bundles, "www.example.com"), exact);
    // Whoever else covers a name has it when its bundle goes: the newest first.
    let remove = async |domain: &str| {
        let removed = bundles.remove(domain, Precondition::None, false).await;
        removed.unwrap();
    };
    let newer = install("x.example.com", &["x.example.com", "www.example.com"]).await;
    for (gone, then) in [
        ("www.example.com", &newer),
        ("x.example.com", &both),
        ("api.example.com", &wide),
        ("*.example.com", &default),
    ] {
        remove(gone).await;
        assert_eq!(&shown(&bundles, "www.example.com"), then, "without {gone}");
    }
    assert_eq!(bundles.list(), []);
}

#[tokio::test]
async fn a_name_that_a_new_certificate_does_not_cover_is_not_served_any_more() {
    let dir = TempDir::new().unwrap();
    let bundles = open(&dir).await;
    let default = shown(&bundles, "b.example");
    let names = ["a.example", "b.example"];
    for (names, is_served) in [(&names[..], true), (&names[..1], false), (&names, true)] {
        let new = bundle("a.example", &pair(names));
        bundles.install(new, Precondition::None).await.unwrap();
        assert_eq!(shown(&bundles, "b.example") != default, is_served);
    }
}
