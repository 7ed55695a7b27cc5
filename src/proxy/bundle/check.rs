//! From PEM texts to a certificate that can be served, or the reason why not.
//! Pure but for the key's arithmetic; it takes `now` and asks nobody.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::aws_lc_rs::{self, sign::any_supported_type};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::BundleError;
use crate::model::host_name::{self as name, covers};

/// A chain as PEM; real ones have about 6 KB.
pub const CHAIN_BYTES_MAX: usize = 128 << 10;
/// A key as PEM; one of RSA 4096 has about 3 KB.
pub const KEY_BYTES_MAX: usize = 32 << 10;
const CHAIN_CERTIFICATES_MAX: usize = 10;
/// Some editors begin a text with it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// DNS names in normal form.
    pub names: Vec<String>,
    /// Upper-case hexadecimal digits, as `openssl x509 -serial` shows it.
    pub serial: String,
    /// SHA-256 of the certificate, as lower-case hexadecimal digits.
    pub fingerprint: String,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    pub issuer: String,
}

/// The certificates of a PEM text, in order. A certificate that is there twice
/// counts once, since some clients send the leaf and then the whole chain.
pub fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, BundleError> {
    limit("certificate chain", pem, CHAIN_BYTES_MAX)?;
    let pem = pem.trim_start_matches(BYTE_ORDER_MARK);
    let mut chain: Vec<CertificateDer<'static>> = Vec::new();
    let mut sections = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| BundleError::BadChain {
            reason: pem_reason(&error),
        })?;
        sections += 1;
        if !chain.contains(&certificate) {
            chain.push(certificate);
        }
    }
    // A section without an end is skipped by the reader.
    if pem.matches("-----BEGIN").count() != pem.matches("-----END").count() {
        let reason = "a section has no end, or its line breaks are missing".to_owned();
        return Err(BundleError::BadChain { reason });
    }
    // Nor does it see one that something stands before on its line.
    if pem.matches("-----BEGIN CERTIFICATE-----").count() > sections {
        let reason = "something stands before a section on its first line".to_owned();
        return Err(BundleError::BadChain { reason });
    }
    match chain.len() {
        0 => Err(BundleError::BadChain {
            reason: "it holds no certificate".to_owned(),
        }),
        count if count > CHAIN_CERTIFICATES_MAX => Err(BundleError::TooManyCertificates {
            count,
            max: CHAIN_CERTIFICATES_MAX,
        }),
        _ => Ok(chain),
    }
}

/// The private key of a PEM text.
pub fn key(pem: &str) -> Result<PrivateKeyDer<'static>, BundleError> {
    limit("private key", pem, KEY_BYTES_MAX)?;
    if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(BundleError::EncryptedKey);
    }
    let pem = pem.trim_start_matches(BYTE_ORDER_MARK);
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| BundleError::BadKey {
        reason: pem_reason(&error),
    })
}

/// What is wrong with a PEM text, without any of it: a key that has lost its line
/// breaks is one line, and nobody wants it in an answer.
fn pem_reason(error: &pem::Error) -> String {
    match error {
        pem::Error::IllegalSectionStart { .. } => {
            "a line with `-----BEGIN` does not end in `-----`; are the line breaks missing?"
                .to_owned()
        }
        pem::Error::MissingSectionEnd { .. } => {
            "a section has no end, or its line breaks are missing".to_owned()
        }
        other => other.to_string(),
    }
}

/// Checks that each certificate is issued by the next one, and reads the first.
pub fn facts(chain: &[CertificateDer<'_>]) -> Result<Facts, BundleError> {
    let parsed: Vec<X509Certificate<'_>> = chain
        .iter()
        .enumerate()
        .map(|(index, der)| parse(der, index + 1))
        .collect::<Result<_, _>>()?;
    let leaf = parsed.first().ok_or_else(|| BundleError::BadChain {
        reason: "it holds no certificate".to_owned(),
    })?;
    for (index, pair) in parsed.windows(2).enumerate() {
        if pair[0].issuer().as_raw() != pair[1].subject().as_raw() {
            return Err(BundleError::BadOrder {
                position: index + 1,
            });
        }
    }
    if leaf.is_ca() && parsed.len() > 1 {
        return Err(BundleError::AuthorityFirst);
    }
    let validity = leaf.validity();
    Ok(Facts {
        names: names(leaf),
        serial: serial(leaf.raw_serial()),
        fingerprint: hex(&Sha256::digest(&chain[0])),
        not_before: time(validity.not_before.timestamp()),
        not_after: time(validity.not_after.timestamp()),
        issuer: leaf.issuer().to_string(),
    })
}

/// Checks what no name tells: that each certificate is signed by the next one, and
/// that the first may serve. What else a client may object to, dates and trust among
/// it, is not for here.
pub fn signatures(chain: &[CertificateDer<'_>]) -> Result<(), BundleError> {
    let ([leaf, ..], [between @ .., last]) = (chain, chain) else {
        return Ok(());
    };
    let begins = chain.iter().filter_map(|der| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        u64::try_from(certificate.validity().not_before.timestamp()).ok()
    });
    let all_begun = UnixTime::since_unix_epoch(Duration::from_secs(begins.max().unwrap_or(0)));
    let mut roots = RootCertStore::empty();
    let (Ok(leaf), Ok(())) = (
        ParsedCertificate::try_from(leaf),
        roots.add(last.clone().into_owned()),
    ) else {
        return Ok(());
    };
    let issuers = between.get(1..).unwrap_or_default();
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    let verified = verify_server_cert_signed_by_trust_anchor(
        &leaf,
        &roots,
        issuers,
        all_begun,
        algorithms.all,
    );
    match verified {
        Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature)) => {
            Err(BundleError::BadSignature)
        }
        Err(rustls::Error::InvalidCertificate(
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. },
        )) if !serves(&chain[0]) => Err(BundleError::NotForServers),
        _ => Ok(()),
    }
}

/// Whether a certificate says that it is for servers, or for anything (RFC 5280,
/// section 4.2.1.12), or does not say.
fn serves(der: &CertificateDer<'_>) -> bool {
    let parsed = X509Certificate::from_der(der);
    let usage = parsed
        .as_ref()
        .ok()
        .and_then(|(_, one)| one.extended_key_usage().ok()?);
    usage.is_none_or(|usage| usage.value.any || usage.value.server_auth)
}

/// The chain with its key, ready to be served.
pub fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<CertifiedKey, BundleError> {
    let signer = any_supported_type(key).map_err(|error| BundleError::UnsupportedKey {
        reason: error.to_string(),
    })?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(BundleError::KeyMismatch),
        Err(error) => Err(BundleError::UnsupportedKey {
            reason: error.to_string(),
        }),
    }
}

/// Whether the certificate may serve `domain` now. `force` overlooks dates only.
pub fn fits(
    facts: &Facts,
    domain: &str,
    force: bool,
    now: DateTime<Utc>,
) -> Result<(), BundleError> {
    if !facts.names.iter().any(|name| covers(name, domain)) {
        let shown: Vec<&str> = facts.names.iter().map(String::as_str).take(5).collect();
        let names = match shown.is_empty() {
            true => "nothing (a subjectAltName is needed)".to_owned(),
            false => shown.join(", "),
        };
        let domain = domain.to_owned();
        return Err(BundleError::NotCovered { domain, names });
    }
    let Facts {
        not_before,
        not_after,
        ..
    } = *facts;
    if !force && now > not_after {
        return Err(BundleError::Expired { not_after });
    }
    if !force && now < not_before {
        return Err(BundleError::NotYetValid { not_before });
    }
    Ok(())
}

/// A chain as PEM.
pub fn to_pem(chain: &[CertificateDer<'_>]) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let mut pem = String::new();
    for certificate in chain {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = BASE64_STANDARD.encode(certificate);
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

/// Reads and checks everything about a pair of texts but the names and dates.
pub fn read(chain_pem: &str, key_pem: &str) -> Result<(Facts, Arc<CertifiedKey>), BundleError> {
    let chain = chain(chain_pem)?;
    let facts = facts(&chain)?;
    let certified = certified(chain, &key(key_pem)?)?;
    Ok((facts, Arc::new(certified)))
}

fn limit(what: &'static str, text: &str, max_bytes: usize) -> Result<(), BundleError> {
    match text.len() {
        bytes if bytes > max_bytes => Err(BundleError::TooLarge {
            what,
            bytes,
            max_bytes,
        }),
        _ => Ok(()),
    }
}

fn parse<'a>(
    der: &'a CertificateDer<'_>,
    position: usize,
) -> Result<X509Certificate<'a>, BundleError> {
    let bad = |reason: String| BundleError::BadCertificate { position, reason };
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|error| bad(error.to_string()))?;
    match rest.is_empty() {
        true => Ok(certificate),
        false => Err(bad("something follows it".to_owned())),
    }
}

/// Clients look at these names only (RFC 9525, section 6.3).
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => name::normalise(name).ok(),
            _ => None,
        })
        .collect()
}

fn serial(bytes: &[u8]) -> String {
    // A leading zero byte only says that the number is positive.
    let bytes = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    hex(bytes).to_ascii_uppercase()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}
