//! Bundles as people send them, good and bad.

use chrono::Utc;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

mod names;

/// A certificate for these names, signed by a fresh authority: chain, key.
fn pair(names: &[&str]) -> (String, String) {
    dated(names, (2020, 2090))
}

fn dated(names: &[&str], years: (i32, i32)) -> (String, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let mut leaf = CertificateParams::new(names).unwrap();
    leaf.distinguished_name = rcgen::DistinguishedName::new();
    leaf.not_before = date_time_ymd(years.0, 1, 1);
    leaf.not_after = date_time_ymd(years.1, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    let chain = format!("{}{}", certificate.pem(), authority_certificate.pem());
    (chain, key.serialize_pem())
}

/// A certificate that only clients may use.
fn for_clients(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let mut leaf = CertificateParams::new(names).unwrap();
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = leaf.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn bundle(domain: &str, (chain_pem, key_pem): &(String, String)) -> NewBundle {
    NewBundle {
        domain: domain.to_owned(),
        chain_pem: chain_pem.clone(),
        key_pem: Some(key_pem.clone()),
        origin: "test".to_owned(),
        force: false,
    }
}

async fn open(dir: &TempDir) -> Bundles {
    let store = Store::open(dir.path()).unwrap();
    let master = MasterKey::open(dir.path(), None).unwrap();
    Bundles::open(store, master, None, Utc::now())
        .await
        .unwrap()
}

fn shown(bundles: &Bundles, name: &str) -> String {
    let serving = bundles.serving();
    serving.table.lookup(Some(name)).0.info.fingerprint.clone()
}

#[tokio::test]
async fn a_bundle_is_stored_served_and_there_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let bundles = open(&dir).await;
    let before = shown(&bundles, "a.example");
    let first = pair(&["a.example"]);
    let rehearsed = bundles
        .rehearse(&bundle("A.Example.", &first), Precondition::Absent)
        .unwrap();
    assert_eq!(shown(&bundles, "a.example"), before);
    let installed = bundles
        .install(bundle("A.Example.", &first), Precondition::None)
        .await
        .unwrap();
    assert!(installed.changed && !rehearsed.changed);
    assert_eq!(installed.info.serial, rehearsed.info.serial);
    assert_eq!(
        (installed.info.generation, &*installed.info.domain),
        (1, "a.example")
    );
    assert_eq!(shown(&bundles, "A.EXAMPLE"), installed.info.fingerprint);
    assert_eq!(bundles.key_pem("a.example").unwrap().unwrap(), first.1);

    // The same again changes nothing, with or without its key.
    let mut again = bundle("a.example", &first);
    again.key_pem = None;
    let unchanged = bundles.install(again, Precondition::None).await.unwrap();
    assert_eq!((unchanged.changed, unchanged.info.generation), (false, 1));

    let second = bundles
        .install(
            bundle("a.example", &pair(&["a.example", "b.example"])),
            Precondition::Generation(1),
        )
        .await
        .unwrap();
    assert_eq!(second.info.generation, 2);
    assert_eq!(
        second.info.previous_fingerprint,
        Some(installed.info.fingerprint.clone())
    );
    assert_eq!(shown(&bundles, "b.example"), second.info.fingerprint);

    drop(bundles);
    let bundles = open(&dir).await;
    assert_eq!(bundles.get("a.example"), Some(second.info.clone()));
    assert_eq!(
        shown(&bundles, "unknown.example"),
        before,
        "the self-signed one stays"
    );
    let back = bundles
        .roll_back("a.example", "test", Precondition::None, false)
        .await
        .unwrap();
    assert_eq!(
        (back.info.generation, back.info.fingerprint),
        (3, installed.info.fingerprint)
    );
    bundles
        .remove("a.example", Precondition::Exists, false)
        .await
        .unwrap();
    assert_eq!(shown(&bundles, "a.example"), before);
    drop(bundles);
    assert_eq!(open(&dir).await.list(), []);
}

#[tokio::test]
async fn a_precondition_that_does_not_hold_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let bundles = open(&dir).await;
    let changed = |result: Result<Installed, BundleError>, at: Option<u64>| matches!(result, Err(BundleError::Changed { current, .. }) if current == at);
    let new = bundle("a.example", &pair(&["a.example"]));
    for wrong in [Precondition::Generation(1), Precondition::Exists] {
        assert!(changed(bundles.install(new.clone(), wrong).await, None));
    }
    bundles.install(new, Precondition::Absent).await.unwrap();
    let newer = bundle("a.example", &pair(&["a.example"]));
    for wrong in [Precondition::Generation(2), Precondition::Absent] {
        assert!(changed(
            bundles.install(newer.clone(), wrong).await,
            Some(1)
        ));
        assert!(bundles.remove("a.example", wrong, false).await.is_err());
    }
    assert_eq!(bundles.get("a.example").unwrap().generation, 1);
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_and_the_old_one_stays() {
    let dir = TempDir::new().unwrap();
    let bundles = open(&dir).await;
    let good = pair(&["a.example"]);
    let installed = bundles
        .install(bundle("a.example", &good), Precondition::None)
        .await
        .unwrap();
    let other = pair(&["a.example"]);
    let (leaf, authority) = other.0.split_at(other.0.rfind("-----BEGIN").unwrap());
    let cut = |text: &str| text[..text.len() - 60].to_owned();
    let key = other.1.clone();
    // Of the same name, and with another key.
    let (_, impostor) = good.0.split_at(good.0.rfind("-----BEGIN").unwrap());
    let clients = for_clients(&["a.example"]);
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let cases: Vec<(&str, &str, String, String, &str)> = vec![
        (
            "keys of different pairs",
            "a.example",
            other.0.clone(),
            good.1.clone(),
            "another certificate",
        ),
        (
            "an encrypted key",
            "a.example",
            other.0.clone(),
            encrypted,
            "encrypted",
        ),
        (
            "a truncated key",
            "a.example",
            other.0.clone(),
            cut(&key),
            "private key is no PEM",
        ),
        (
            "a truncated chain",
            "a.example",
            cut(&other.0),
            key.clone(),
            "chain is no PEM",
        ),
        (
            "a chain without its line breaks",
            "a.example",
            other.0.replace('\n', ""),
            key.clone(),
            "line breaks",
        ),
        (
            "a key without its line breaks",
            "a.example",
            other.0.clone(),
            key.replace('\n', ""),
            "line breaks",
        ),
        (
            "no chain",
            "a.example",
            String::new(),
            key.clone(),
            "no certificate",
        ),
        (
            "a key as the chain",
            "a.example",
            key.clone(),
            key.clone(),
            "no certificate",
        ),
        (
            "no key",
            "a.example",
            other.0.clone(),
            leaf.to_owned(),
            "private key is no PEM",
        ),
        (
            "a chain of 1 MB",
            "a.example",
            other.0.repeat(1200),
            key.clone(),
            "bytes",
        ),
        (
            "the leaf last",
            "a.example",
            format!("{authority}{leaf}"),
            key.clone(),
            "not in order",
        ),
        (
            "an issuer that did not sign",
            "a.example",
            format!("{leaf}{impostor}"),
            key.clone(),
            "not signed by the one after it",
        ),
        (
            "a certificate for clients",
            "a.example",
            clients.0,
            clients.1,
            "not for servers",
        ),
        (
            "something before the first line",
            "a.example",
            format!("x{}", other.0),
            key.clone(),
            "stands before a section",
        ),
        (
            "another name",
            "b.example",
            other.0.clone(),
            key.clone(),
            "not for b.example",
        ),
        (
            "a name below",
            "x.a.example",
            other.0.clone(),
            key.clone(),
            "not for x.a.example",
        ),
        (
            "a wildcard",
            "*.a.example",
            other.0.clone(),
            key.clone(),
            "not for",
        ),
        (
            "an address",
            "127.0.0.1",
            other.0.clone(),
            key.clone(),
            "IP address",
        ),
        (
            "a top-level wildcard",
            "*.com",
            other.0.clone(),
            key.clone(),
            "top-level",
        ),
    ];
    for (what, domain, chain_pem, key_pem, expected) in cases {
        let refused = bundles
            .install(bundle(domain, &(chain_pem, key_pem)), Precondition::None)
            .await;
        let message = refused.expect_err(what).to_string();
        assert!(message.contains(expected), "{what}: {message}");
        assert!(!message.contains("BEGIN"), "{what}: {message}");
    }
    // What some editors begin a text with does not matter.
    let marked = [
        "\u{feff}".to_owned() + &other.0,
        "\u{feff}".to_owned() + &key,
    ];
    let marked = bundle("a.example", &marked.into());
    bundles.rehearse(&marked, Precondition::None).unwrap();
    for (years, expected) in [((2020, 2021), "ended"), ((2089, 2090), "begins")] {
        let new = bundle("a.example", &dated(&["a.example"], years));
        let refused = bundles.install(new.clone(), Precondition::None).await;
        assert!(refused.unwrap_err().to_string().contains(expected));
        let forced = NewBundle { force: true, ..new };
        bundles.rehearse(&forced, Precondition::None).unwrap();
    }
    assert_eq!(bundles.list(), std::slice::from_ref(&installed.info));
    assert_eq!(shown(&bundles, "a.example"), installed.info.fingerprint);
}
