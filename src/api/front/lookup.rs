//! Which alias a request is for. It must not decide who may pass.

use std::sync::Arc;

use axum::body::Body;
use http::Request;

use super::super::access::host;
use super::super::error::ApiError;
use super::gate::Gate;
use super::without_port;
use crate::proxy::alias::Alias;
use crate::proxy::spelling::{is_plain, plain};

impl Gate {
    /// The alias that a request is for. A path that means another alias's in another
    /// spelling is refused: it would get by what protects that one.
    pub fn lookup(&self, request: &Request<Body>) -> Result<Option<Arc<Alias>>, ApiError> {
        let name = without_port(host(request));
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let path = request.uri().path();
        let found = self.aliases.lookup(&name, path);
        if found.is_some() && !path.starts_with('/') {
            return Err(ApiError::bad_request(
                "The target of the request is no path",
            ));
        }
        if is_plain(path) && !path.starts_with("/scripts/") {
            return Ok(found);
        }
        let plain = plain(path);
        let is_other = |meant: &Arc<Alias>| found.as_ref().is_none_or(|one| one.id != meant.id);
        let meant = self.aliases.lookup(&name, &plain).filter(is_other);
        // To the router of scripts, `/scripts/a` is `/a` too.
        let below = plain.strip_prefix("/scripts");
        let below = below.filter(|below| below.starts_with('/') && is_of_scripts(&found));
        let below = below.and_then(|below| self.aliases.lookup(&name, below));
        let below = below.filter(|meant| is_other(meant) && !meant.leads_out());
        match meant.or(below).is_some() {
            true => Err(ApiError::bad_request(
                "The path is that of another alias in an unusual spelling; ask for it as it is",
            )
            .code("PATH_SPELLING")),
            false => Ok(found),
        }
    }
}

/// Whether scripts answer, as they do where there is no alias.
fn is_of_scripts(found: &Option<Arc<Alias>>) -> bool {
    found.as_ref().is_none_or(|alias| !alias.leads_out())
}
