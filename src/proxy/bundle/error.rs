//! Why a certificate is not installed. No message holds anything of a key.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::model::host_name::NameError;
use crate::store::StoreError;
use crate::store::sealed::SealedError;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BundleError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("the {what} is {bytes} bytes; at most {max_bytes} are taken")]
    TooLarge {
        what: &'static str,
        bytes: usize,
        max_bytes: usize,
    },
    #[error("the certificate chain is no PEM: {reason}")]
    BadChain { reason: String },
    #[error("certificate {position} of the chain cannot be read: {reason}")]
    BadCertificate { position: usize, reason: String },
    #[error(
        "the chain is not in order: certificate {position} is not issued by the one after it; send the server's own certificate first, then each issuer"
    )]
    BadOrder { position: usize },
    #[error(
        "a certificate of the chain is not signed by the one after it, although that has the issuer's name; send the issuer that signed it"
    )]
    BadSignature,
    #[error(
        "the certificate is not for servers: its extended key usage has no `serverAuth`; ask the authority for a server certificate"
    )]
    NotForServers,
    #[error(
        "the first certificate belongs to a certificate authority; send the server's own certificate first"
    )]
    AuthorityFirst,
    #[error("the chain has {count} certificates; at most {max} are taken")]
    TooManyCertificates { count: usize, max: usize },
    #[error("the private key is no PEM: {reason}")]
    BadKey { reason: String },
    #[error(
        "the private key is encrypted; send it without a passphrase (`openssl pkey` removes it)"
    )]
    EncryptedKey,
    #[error(
        "the private key is of a kind that is not served: {reason}; use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits or more"
    )]
    UnsupportedKey { reason: String },
    #[error("the private key belongs to another certificate")]
    KeyMismatch,
    #[error(
        "there is no private key: send it as `key`, unless the certificate is the one that is served already"
    )]
    NoKey,
    #[error("the certificate is not for {domain}; it names {names}")]
    NotCovered { domain: String, names: String },
    #[error("the certificate ended {not_after}; `force` installs it all the same")]
    Expired { not_after: DateTime<Utc> },
    #[error("the certificate begins {not_before}; `force` installs it all the same")]
    NotYetValid { not_before: DateTime<Utc> },
    #[error("there is no certificate for {domain}")]
    NotFound { domain: String },
    #[error("{domain} has no earlier certificate to go back to")]
    NoPrevious { domain: String },
    /// `None`: there is no bundle.
    #[error("{domain} is not at the generation that `If-Match` names, but {}", at(.current))]
    Changed {
        domain: String,
        current: Option<u64>,
    },
    #[error("there are {max} certificates; delete some that are not needed")]
    TooMany { max: usize },
    #[error(transparent)]
    Sealed(#[from] SealedError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("TLS: {reason}")]
    Tls { reason: String },
}

impl BundleError {
    pub(super) fn not_found(domain: &str) -> Self {
        Self::NotFound {
            domain: domain.to_owned(),
        }
    }
}

fn at(current: &Option<u64>) -> String {
    match current {
        Some(generation) => format!("at {generation}"),
        None => "not there".to_owned(),
    }
}
