//! Keys, requests and what came back: everything about a certificate that needs
//! no authority. It must not store anything.

use chrono::{DateTime, Datelike, Days, Utc};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PublicKeyData, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::name::covers;
use super::settings::KeyType;

/// A chain as PEM; real ones have about 6 KB.
const CHAIN_BYTES_MAX: usize = 128 << 10;
/// Days that a placeholder of a dry run is valid.
const PLACEHOLDER_DAYS: u64 = 90;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("the chain cannot be read: {reason}")]
    BadChain { reason: String },
    #[error("it is for another key than the one of the request")]
    OtherKey,
    #[error("it does not cover {name}")]
    MissingName { name: String },
    #[error("it is not valid now")]
    Dates,
    #[error("the cryptographic library failed: {reason}")]
    Crypto { reason: String },
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub names: Vec<String>,
    /// Upper-case hexadecimal digits, as `openssl x509 -serial` shows it.
    pub serial: String,
    /// SHA-256, as lower-case hexadecimal digits.
    pub fingerprint: String,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    pub issuer: String,
    /// The public key (SubjectPublicKeyInfo), as DER.
    public_key: Vec<u8>,
}

/// A new key. It takes a moment for RSA.
pub fn new_key(kind: KeyType) -> Result<KeyPair, CertificateError> {
    let algorithm = match kind {
        KeyType::Ec256 => &PKCS_ECDSA_P256_SHA256,
        KeyType::Ec384 => &PKCS_ECDSA_P384_SHA384,
        KeyType::Rsa2048 => &PKCS_RSA_SHA256,
    };
    KeyPair::generate_for(algorithm).map_err(crypto)
}

/// A certificate signing request (RFC 2986) for these names, as DER.
pub fn request(names: &[String], key: &KeyPair) -> Result<Vec<u8>, CertificateError> {
    let mut parameters = CertificateParams::new(names.to_vec()).map_err(crypto)?;
    parameters.distinguished_name = DistinguishedName::new();
    let request = parameters.serialize_request(key).map_err(crypto)?;
    Ok(request.der().to_vec())
}

/// The certificate that answers tls-alpn-01 (RFC 8737, section 3), and its key.
pub fn tls_alpn(domain: &str, digest: &[u8]) -> Result<(Vec<u8>, Vec<u8>), CertificateError> {
    let mut parameters = CertificateParams::new([domain.to_owned()]).map_err(crypto)?;
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(crypto)?;
    let certificate = parameters.self_signed(&key).map_err(crypto)?;
    Ok((certificate.der().to_vec(), key.serialize_der()))
}

/// What a dry run hands out in the place of a certificate: it fits everywhere,
/// and nobody trusts it.
pub fn placeholder(
    names: &[String],
    now: DateTime<Utc>,
) -> Result<(String, String), CertificateError> {
    let mut parameters = CertificateParams::new(names.to_vec()).map_err(crypto)?;
    parameters.distinguished_name = DistinguishedName::new();
    // Months and days of a calendar fit in a byte.
    let day =
        |time: DateTime<Utc>| date_time_ymd(time.year(), time.month() as u8, time.day() as u8);
    parameters.not_before = day(now - Days::new(1));
    parameters.not_after = day(now + Days::new(PLACEHOLDER_DAYS));
    let key = KeyPair::generate().map_err(crypto)?;
    let certificate = parameters.self_signed(&key).map_err(crypto)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// The certificates of a chain, the server's own first.
pub fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let bad = |reason: String| CertificateError::BadChain { reason };
    if pem.len() > CHAIN_BYTES_MAX {
        return Err(bad(format!("it has {} bytes", pem.len())));
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let chain = chain.map_err(|error| bad(error.to_string()))?;
    match chain.is_empty() {
        true => Err(bad("it holds no certificate".to_owned())),
        false => Ok(chain),
    }
}

/// Reads the first certificate of a chain.
pub fn facts(pem: &str) -> Result<Facts, CertificateError> {
    let bad = |reason: String| CertificateError::BadChain { reason };
    let chain = chain(pem)?;
    let leaf = chain.first().ok_or_else(|| bad("it is empty".to_owned()))?;
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| bad(error.to_string()))?;
    let alternative = parsed
        .subject_alternative_name()
        .map_err(|error| bad(error.to_string()))?;
    let names = alternative.into_iter().flat_map(|names| {
        names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            })
    });
    let serial = parsed.raw_serial();
    let first = serial.iter().position(|byte| *byte != 0).unwrap_or(0);
    let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::UNIX_EPOCH);
    Ok(Facts {
        names: names.collect(),
        serial: serial[first..]
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect(),
        fingerprint: Sha256::digest(leaf)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        not_before: time(parsed.validity().not_before.timestamp()),
        not_after: time(parsed.validity().not_after.timestamp()),
        issuer: parsed.issuer().to_string(),
        public_key: parsed.public_key().raw.to_vec(),
    })
}

/// The chain without the server's own certificate, as PEM.
pub fn issuers(pem: &str) -> String {
    const END: &str = "-----END CERTIFICATE-----";
    let rest = pem.split_once(END).map_or("", |(_, rest)| rest);
    rest.trim_start().to_owned()
}

impl Facts {
    /// Whether this is what was asked for.
    pub fn check(
        &self,
        names: &[String],
        key: &KeyPair,
        now: DateTime<Utc>,
    ) -> Result<(), CertificateError> {
        if self.public_key != key.subject_public_key_info() {
            return Err(CertificateError::OtherKey);
        }
        if let Some(name) = names.iter().find(|name| !covers(&self.names, name)) {
            return Err(CertificateError::MissingName { name: name.clone() });
        }
        // Clocks differ a little.
        if self.not_before > now + Days::new(1) || self.not_after <= now {
            return Err(CertificateError::Dates);
        }
        Ok(())
    }
}

fn crypto(error: rcgen::Error) -> CertificateError {
    CertificateError::Crypto {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn what_was_not_asked_for_is_refused() {
        let now = Utc::now();
        let asked = names(&["a.test", "*.b.test"]);
        let (pem, key_pem) = placeholder(&asked, now).unwrap();
        let key = KeyPair::from_pem(&key_pem).unwrap();
        let facts = facts(&pem).unwrap();
        assert_eq!(facts.names, asked);
        assert_eq!(facts.fingerprint.len(), 64);
        assert_eq!(
            facts.check(&names(&["a.test", "x.b.test"]), &key, now),
            Ok(())
        );
        let other = new_key(KeyType::Ec384).unwrap();
        assert_eq!(
            facts.check(&asked, &other, now),
            Err(CertificateError::OtherKey)
        );
        assert!(matches!(
            facts.check(&names(&["c.test"]), &key, now),
            Err(CertificateError::MissingName { .. })
        ));
        let late = now + Days::new(PLACEHOLDER_DAYS + 1);
        assert_eq!(
            facts.check(&asked, &key, late),
            Err(CertificateError::Dates)
        );
        assert_eq!(issuers(&pem), "");
        assert_eq!(issuers(&format!("{pem}{pem}")).trim(), pem.trim());
        for nonsense in [
            "",
            "no PEM",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert!(super::facts(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn every_kind_of_key_signs_a_request() {
        for kind in KeyType::ALL {
            let key = new_key(kind).unwrap();
            assert!(
                !request(&names(&["a.test"]), &key).unwrap().is_empty(),
                "{kind:?}"
            );
        }
    }
}
