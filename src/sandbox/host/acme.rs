//! `footpath:host/acme`: passes through to the server's certificate client.

use super::{State, bindings::footpath::host::acme};
use crate::sandbox::services::acme::{OrderError, OrderOutcome, OrderRequest, OrderedCertificate};

impl From<OrderError> for acme::Error {
    fn from(error: OrderError) -> Self {
        Self {
            code: error.code.to_owned(),
            message: error.message,
            retry_after: error.retry_after_seconds,
        }
    }
}

impl From<OrderedCertificate> for acme::Certificate {
    fn from(certificate: OrderedCertificate) -> Self {
        Self {
            outcome: match certificate.outcome {
                OrderOutcome::Issued => acme::Outcome::Issued,
                OrderOutcome::NotDue => acme::Outcome::NotDue,
                OrderOutcome::DryRun => acme::Outcome::DryRun,
            },
            domain: certificate.domain,
            names: certificate.names,
            cert: certificate.cert,
            chain: certificate.chain,
            key: certificate.key,
            serial: certificate.serial,
            fingerprint: certificate.fingerprint,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            issuer: certificate.issuer,
        }
    }
}

impl acme::Host for State {
    async fn order(
        &mut self,
        names: Vec<String>,
        options: acme::Options,
    ) -> wasmtime::Result<Result<acme::Certificate, acme::Error>> {
        let request = OrderRequest {
            names,
            force: options.force,
            profile: options.profile,
            key_type: options.key_type,
        };
        let call = self.call.clone();
        let ordered = self.services.acme_order(&call, request).await;
        Ok(ordered.map(Into::into).map_err(Into::into))
    }

    async fn status(
        &mut self,
        domain: String,
    ) -> wasmtime::Result<Result<Option<String>, acme::Error>> {
        Ok(self.services.acme_status(&domain).await.map_err(Into::into))
    }
}
