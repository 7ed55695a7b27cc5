//! Proving that a name is ours: puts the answer to a challenge where the
//! authority looks, and takes it away again. It must not talk to the authority.

use std::sync::Arc;

use instant_acme::{AuthorizationState, ChallengeType, KeyAuthorization};

use super::certificate::tls_alpn;
use super::error::AcmeError;
use super::seams::{ChallengeAnswers, DnsAction, DnsHook, DnsRecord};
use super::settings::ChallengeKind;

/// Where answers go.
#[derive(Clone)]
pub struct Solver {
    pub answers: Arc<dyn ChallengeAnswers>,
    pub dns: Option<Arc<dyn DnsHook>>,
    /// In the order in which they are tried.
    pub kinds: Vec<ChallengeKind>,
}

/// An answer that is in place.
pub enum Presented {
    Http { token: String },
    TlsAlpn { domain: String },
    Dns(DnsRecord),
}

impl Solver {
    /// The first of our ways that the authority offers for this name. Only DNS
    /// can prove a wildcard (RFC 8555, section 7.1.3).
    pub fn choose(&self, authorization: &AuthorizationState) -> Result<ChallengeKind, AcmeError> {
        let usable = |kind: &ChallengeKind| {
            *kind == ChallengeKind::Dns01 && self.dns.is_some()
                || *kind != ChallengeKind::Dns01 && !authorization.wildcard
        };
        let offered = |kind: &ChallengeKind| {
            let wanted = type_of(*kind);
            authorization
                .challenges
                .iter()
                .any(|one| one.r#type == wanted)
        };
        let mut kinds = self.kinds.iter().copied();
        let chosen = kinds.find(|kind| usable(kind) && offered(kind));
        chosen.ok_or_else(|| AcmeError::NoChallenge {
            name: authorization.identifier().to_string(),
            offered: names(ChallengeKind::ALL.into_iter().filter(offered)),
            ours: names(self.kinds.iter().copied()),
        })
    }

    /// When it returns, the authority may look.
    pub async fn present(
        &self,
        kind: ChallengeKind,
        domain: &str,
        token: &str,
        authorization: &KeyAuthorization,
    ) -> Result<Presented, AcmeError> {
        match kind {
            ChallengeKind::Http01 => {
                self.answers.put_http(token, authorization.as_str());
                Ok(Presented::Http {
                    token: token.to_owned(),
                })
            }
            ChallengeKind::TlsAlpn01 => {
                let (certificate, key) = tls_alpn(domain, authorization.digest().as_ref())?;
                self.answers
                    .put_tls_alpn(domain, certificate, key)
                    .map_err(|reason| AcmeError::Connection { reason })?;
                Ok(Presented::TlsAlpn {
                    domain: domain.to_owned(),
                })
            }
            ChallengeKind::Dns01 => {
                let record = DnsRecord {
                    domain: domain.to_owned(),
                    name: format!("_acme-challenge.{domain}"),
                    value: authorization.dns_value(),
                };
                self.change(DnsAction::Present, record.clone()).await?;
                Ok(Presented::Dns(record))
            }
        }
    }

    /// What cannot be taken away is logged; it proves nothing any more.
    pub async fn clean_up(&self, presented: Presented) {
        match presented {
            Presented::Http { token } => self.answers.remove_http(&token),
            Presented::TlsAlpn { domain } => self.answers.remove_tls_alpn(&domain),
            Presented::Dns(record) => {
                if let Err(error) = self.change(DnsAction::Cleanup, record).await {
                    tracing::warn!(%error, "a DNS record is left over");
                }
            }
        }
    }

    async fn change(&self, action: DnsAction, record: DnsRecord) -> Result<(), AcmeError> {
        let name = record.name.clone();
        let failed = |reason: String| AcmeError::Dns {
            action: action.name(),
            name,
            reason,
        };
        match &self.dns {
            Some(hook) => hook.change(action, record).await.map_err(failed),
            None => Err(failed("acme.dns is not set".to_owned())),
        }
    }
}

pub fn type_of(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
        ChallengeKind::Dns01 => ChallengeType::Dns01,
    }
}

fn names(kinds: impl Iterator<Item = ChallengeKind>) -> String {
    let names: Vec<&str> = kinds.map(ChallengeKind::name).collect();
    names.join(", ")
}
