//! `native.acmeOrder` and `native.acmeStatus`: one host call each. A failure is an
//! exception whose message is `CODE: why`, or `CODE|seconds: why` when the host
//! says when to try again.

use crate::bindings::footpath::host::acme;
use rquickjs::{Ctx, Exception, Object, Result, prelude::Func};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("acmeOrder", Func::from(order))?;
    native.set("acmeStatus", Func::from(status))
}

fn check<T>(ctx: &Ctx<'_>, result: std::result::Result<T, acme::Error>) -> Result<T> {
    result.map_err(|error| {
        let after = error.retry_after.map(|seconds| format!("|{seconds}")).unwrap_or_default();
        Exception::throw_message(ctx, &format!("{}{after}: {}", error.code, error.message))
    })
}

/// An object with the fields of the interface; the outcome as text.
fn order<'js>(
    ctx: Ctx<'js>,
    names: Vec<String>,
    force: bool,
    profile: Option<String>,
    key_type: Option<String>,
) -> Result<Object<'js>> {
    let options = acme::Options { force, profile, key_type };
    let certificate = check(&ctx, acme::order(&names, &options))?;
    let object = Object::new(ctx)?;
    object.set("cert", certificate.cert)?;
    object.set("key", certificate.key)?;
    object.set("chain", certificate.chain)?;
    object.set("domain", certificate.domain)?;
    object.set("names", certificate.names)?;
    object.set("serial", certificate.serial)?;
    object.set("fingerprint", certificate.fingerprint)?;
    object.set("notBefore", certificate.not_before as f64)?;
    object.set("notAfter", certificate.not_after as f64)?;
    object.set("issuer", certificate.issuer)?;
    object.set(
        "status",
        match certificate.outcome {
            acme::Outcome::Issued => "issued",
            acme::Outcome::NotDue => "not_due",
            acme::Outcome::DryRun => "dry_run",
        },
    )?;
    Ok(object)
}

/// JSON text, or null.
fn status(ctx: Ctx<'_>, domain: String) -> Result<Option<String>> {
    check(&ctx, acme::status(&domain))
}
