//! One conversation with the authority, from the new order to the certificate
//! (RFC 8555, section 7.4). It must not decide whether to order, nor keep what
//! it gets.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeStatus, Error, Identifier,
    NewOrder, Order, OrderStatus,
};
use tokio::time::Instant;

use super::certificate::{Facts, chain, facts, new_key, request};
use super::challenge::{Presented, Solver, type_of};
use super::client::{classify, insist, shown};
use super::error::AcmeError;
use super::settings::KeyType;

/// An order that is not done after this is given up; some authorities take
/// their time to validate.
const ORDER_TIMEOUT: Duration = Duration::from_secs(180);
/// Between two looks at an order.
const POLL_FIRST: Duration = Duration::from_millis(200);
const POLL_MAX: Duration = Duration::from_secs(5);

/// What is ordered.
pub struct Wanted<'a> {
    pub names: &'a [String],
    pub key_type: KeyType,
    pub profile: Option<&'a str>,
    /// The chain that this one takes the place of (RFC 9773, section 5).
    pub replaces: Option<&'a str>,
}

/// What came back.
pub struct Issued {
    pub chain_pem: String,
    pub key_pem: String,
    pub facts: Facts,
    pub order_url: String,
}

/// Orders a certificate and waits for it. Answers to challenges are taken away
/// again whatever happens.
pub async fn issue(
    account: &Account,
    solver: &Solver,
    wanted: &Wanted<'_>,
) -> Result<Issued, AcmeError> {
    let mut order = new_order(account, wanted).await?;
    let mut presented = Vec::new();
    let conversation = async {
        prove(&mut order, solver, &mut presented).await?;
        wait(&mut order, &[OrderStatus::Ready, OrderStatus::Valid]).await?;
        certificate(&mut order, wanted).await
    };
    let issued = tokio::time::timeout(ORDER_TIMEOUT, conversation).await;
    for one in presented {
        solver.clean_up(one).await;
    }
    issued.unwrap_or(Err(AcmeError::Timeout {
        seconds: ORDER_TIMEOUT.as_secs(),
    }))
}

async fn new_order(account: &Account, wanted: &Wanted<'_>) -> Result<Order, AcmeError> {
    if let Some(profile) = wanted.profile {
        let known: Vec<&str> = account.profiles().map(|profile| profile.name).collect();
        if !known.contains(&profile) {
            return Err(AcmeError::BadProfile {
                profile: profile.to_owned(),
                known: known.join(", "),
            });
        }
    }
    let identifiers: Vec<Identifier> = wanted
        .names
        .iter()
        .map(|name| Identifier::Dns(name.clone()))
        .collect();
    let plain = || match wanted.profile {
        Some(profile) => NewOrder::new(&identifiers).profile(profile),
        None => NewOrder::new(&identifiers),
    };
    let replaced = wanted.replaces.and_then(|pem| chain(pem).ok());
    let replaced = replaced.as_ref().and_then(|chain| chain.first());
    let replaced = replaced.and_then(|leaf| CertificateIdentifier::try_from(leaf).ok());
    if let Some(replaced) = replaced {
        let order = plain().replaces(replaced);
        match insist!(account.new_order(&order)) {
            Ok(order) => return Ok(order),
            // The authority knows nothing of that certificate, or of RFC 9773.
            Err(Error::Api(problem)) if problem.status.is_none_or(|status| status < 500) => {
                tracing::debug!(problem = shown(&problem), "ordering without `replaces`");
            }
            Err(Error::Unsupported(_) | Error::Json(_)) => {}
            Err(error) if is_not_reflected(&error) => {
                tracing::debug!("the authority takes no notice of `replaces`; ordering without it");
            }
            Err(error) => return Err(classify(error)),
        }
    }
    let order = plain();
    insist!(account.new_order(&order)).map_err(classify)
}

/// An authority that knows `replaces` must repeat it in its answer (RFC 9773, section
/// 5). The library gives up the order of one that does not, and says so in words only.
fn is_not_reflected(error: &Error) -> bool {
    matches!(error, Error::Other(error) if error.to_string().starts_with("replaces field mismatch"))
}

/// Answers the challenges of every name that is not proven yet.
async fn prove(
    order: &mut Order,
    solver: &Solver,
    presented: &mut Vec<Presented>,
) -> Result<(), AcmeError> {
    fetch_authorizations(order).await?;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(classify)?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            _ => {
                return Err(AcmeError::Validation {
                    name: authorization.identifier().to_string(),
                    problem: "an earlier attempt has failed; the next order starts afresh"
                        .to_owned(),
                });
            }
        }
        let kind = solver.choose(&authorization)?;
        // `choose` has found it among those that are offered.
        let Some(mut challenge) = authorization.challenge(type_of(kind)) else {
            continue;
        };
        let domain = match challenge.identifier().identifier {
            Identifier::Dns(name) => name.clone(),
            _ => challenge.identifier().to_string(),
        };
        let proof = challenge.key_authorization();
        let token = challenge.token.clone();
        presented.push(solver.present(kind, &domain, &token, &proof).await?);
        insist!(challenge.set_ready()).map_err(|error| match error {
            Error::Api(problem) => AcmeError::Validation {
                name: domain,
                problem: shown(&problem),
            },
            other => classify(other),
        })?;
    }
    Ok(())
}

/// The library forgets a name whose authorization could not be fetched, so all
/// are fetched before any is looked at; what was fetched is kept.
async fn fetch_authorizations(order: &mut Order) -> Result<(), AcmeError> {
    async fn fetch_all(order: &mut Order) -> Result<(), Error> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            authorization?;
        }
        Ok(())
    }
    insist!(fetch_all(order)).map_err(classify)
}

/// Waits until the order has one of these statuses. The caller has a deadline.
async fn wait(order: &mut Order, wanted: &[OrderStatus]) -> Result<(), AcmeError> {
    let begun = Instant::now();
    let mut pause = POLL_FIRST;
    while begun.elapsed() < ORDER_TIMEOUT {
        let status = insist!(async { order.refresh().await.map(|state| state.status) });
        match status.map_err(classify)? {
            status if wanted.contains(&status) => return Ok(()),
            OrderStatus::Invalid => return Err(why_invalid(order).await),
            _ => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(POLL_MAX);
    }
    Err(AcmeError::Timeout {
        seconds: ORDER_TIMEOUT.as_secs(),
    })
}

/// The first name that could not be validated, and what the authority says.
async fn why_invalid(order: &mut Order) -> AcmeError {
    let of_order = order.state().error.as_ref().map(shown);
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if insist!(async { authorization.refresh().await.map(drop) }).is_err() {
            continue;
        }
        let failed = authorization
            .challenges
            .iter()
            .find(|challenge| challenge.status == ChallengeStatus::Invalid);
        if let Some(failed) = failed {
            return AcmeError::Validation {
                name: authorization.identifier().to_string(),
                problem: failed
                    .error
                    .as_ref()
                    .map_or_else(|| "the authority does not say why".to_owned(), shown),
            };
        }
    }
    AcmeError::Api {
        problem: of_order.unwrap_or_else(|| "the order became invalid".to_owned()),
    }
}

async fn certificate(order: &mut Order, wanted: &Wanted<'_>) -> Result<Issued, AcmeError> {
    let kind = wanted.key_type;
    let key = tokio::task::spawn_blocking(move || new_key(kind));
    let key = key.await.map_err(|_| AcmeError::Stopping)??;
    let request = request(wanted.names, &key)?;
    insist!(order.finalize_csr(&request)).map_err(classify)?;
    wait(order, &[OrderStatus::Valid]).await?;
    let chain_pem = insist!(order.certificate()).map_err(classify)?;
    let chain_pem = chain_pem.ok_or(AcmeError::Api {
        problem: "the order is valid, but there is no certificate".to_owned(),
    })?;
    let facts = facts(&chain_pem)?;
    facts.check(wanted.names, &key, chrono::Utc::now())?;
    Ok(Issued {
        chain_pem,
        key_pem: key.serialize_pem(),
        facts,
        order_url: order.url().to_owned(),
    })
}
