//! `[acme]` of the configuration, checked, as what the certificate client takes.

use std::path::Path;

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::acme::{AcmeError, ChallengeKind, ExternalAccount, KeyType, OnDemand, Settings};
use crate::config::{self, Secret};

/// The settings of the configuration; none without a directory. Reads the file of
/// extra roots, and asks nobody.
pub fn settings(config: &config::Acme) -> anyhow::Result<Option<Settings>> {
    let Some(directory) = config.directory.clone() else {
        let wants_any = [&config.names, &config.on_demand_names]
            .iter()
            .any(|names| !names.is_empty());
        if wants_any || config.on_demand_ask.is_some() {
            bail!("acme.names and acme.on_demand_… need acme.directory");
        }
        return Ok(None);
    };
    for (key, url) in [
        ("directory", Some(&directory)),
        ("staging", config.staging.as_ref()),
        ("on_demand_ask", config.on_demand_ask.as_ref()),
    ] {
        let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if url.is_some_and(|url| !is_url(url)) {
            bail!("acme.{key} must be an URL such as https://example.com/directory");
        }
    }
    if config
        .contact
        .as_ref()
        .is_some_and(|contact| !contact.starts_with("mailto:"))
    {
        bail!("acme.contact must be such as mailto:ops@example.com");
    }
    if config
        .dns
        .as_ref()
        .is_some_and(|path| !path.starts_with('/'))
    {
        bail!("acme.dns must be the path of a script's route, such as /dns");
    }
    let challenges: Option<Vec<ChallengeKind>> = config
        .challenges
        .iter()
        .map(|name| ChallengeKind::parse(name))
        .collect();
    let key_type = KeyType::parse(&config.key_type);
    let names: Result<Vec<_>, AcmeError> = config
        .names
        .iter()
        .map(|entry| {
            let names: Vec<String> = entry.split_whitespace().map(str::to_owned).collect();
            crate::acme::normalise(&names)
        })
        .collect();
    let names = names.context("acme.names")?;
    Ok(Some(Settings {
        directory,
        staging: config.staging.clone(),
        contact: config.contact.clone(),
        external_account: external_account(config)?,
        roots: config
            .ca
            .as_deref()
            .map(roots)
            .transpose()?
            .unwrap_or_default(),
        challenges: challenges.with_context(|| {
            let known = ChallengeKind::ALL.map(ChallengeKind::name).join(", ");
            format!("acme.challenges takes {known}")
        })?,
        names,
        profile: config.profile.clone(),
        key_type: key_type.with_context(|| {
            let known = KeyType::ALL.map(KeyType::name).join(", ");
            format!("acme.key_type must be one of {known}")
        })?,
        check_interval: std::time::Duration::from_millis(config.check_ms.max(1000)),
        on_demand: on_demand(config)?,
    }))
}

/// None when there is neither a list nor anybody to ask.
fn on_demand(config: &config::Acme) -> anyhow::Result<Option<OnDemand>> {
    let ask = config.on_demand_ask.clone();
    if config.on_demand_names.is_empty() && ask.is_none() {
        return Ok(None);
    }
    let names = match config.on_demand_names.as_slice() {
        [] => Vec::new(),
        names => crate::acme::normalise(names).context("acme.on_demand_names")?,
    };
    Ok(Some(OnDemand {
        names,
        ask,
        per_hour_max: config.on_demand_per_hour as usize,
    }))
}

fn external_account(config: &config::Acme) -> anyhow::Result<Option<ExternalAccount>> {
    match (&config.eab_key_id, &config.eab_mac_key) {
        (None, None) => Ok(None),
        (Some(key_id), Some(mac_key)) => {
            let text = Secret::expose(mac_key).trim_end_matches('=');
            let mac_key = BASE64_URL_SAFE_NO_PAD.decode(text);
            Ok(Some(ExternalAccount {
                key_id: key_id.clone(),
                mac_key: mac_key.ok().context("acme.eab_mac_key must be base64url")?,
            }))
        }
        _ => bail!("acme.eab_key_id and acme.eab_mac_key belong together"),
    }
}

fn roots(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let roots = read.with_context(|| format!("cannot read acme.ca {}", path.display()))?;
    if roots.is_empty() {
        bail!("acme.ca {} holds no certificate", path.display());
    }
    Ok(roots)
}
