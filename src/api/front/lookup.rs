//! Which alias a request is for. It must not decide who may pass.

use std::sync::Arc;

use axum::body::Body;
use http::Request;

use super::super::access::host;
use super::super::error::ApiError;
use super::gate::Gate;
use crate::proxy::alias::Alias;
use crate::proxy::spelling::{is_plain, plain};

impl Gate {
    /// The alias that a request is for. A path that means another alias's in another
    /// spelling is refused: it would get by what protects that one.
    pub fn lookup(&self, request: &Request<Body>) -> Result<Option<Arc<Alias>>, ApiError> {
        let host = host(request);
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let path = request.uri().path();
        let found = self.aliases.lookup(&name, path);
        if found.is_some() && !path.starts_with('/') {
            return Err(ApiError::bad_request(
                "The target of the request is no path",
            ));
        }
        let meant = match is_plain(path) && !path.starts_with("/scripts/") {
            true => return Ok(found),
            false => self.aliases.lookup(&name, &plain(path)),
        };
        // To the router, `/scripts/a` is `/a` too.
        let below = plain(path).strip_prefix("/scripts").map(str::to_owned);
        let below = below.filter(|below| below.starts_with('/'));
        let meant_below = below.and_then(|below| self.aliases.lookup(&name, &below));
        let is_other = |meant: &Option<Arc<Alias>>| {
            let id = |alias: &Option<Arc<Alias>>| alias.as_ref().map(|alias| alias.id.clone());
            meant.is_some() && id(meant) != id(&found)
        };
        let leads_out = found.as_ref().is_some_and(|alias| alias.leads_out());
        let is_hidden = is_other(&meant_below)
            && !leads_out
            && meant_below.as_ref().is_some_and(|alias| !alias.leads_out());
        match is_other(&meant) || is_hidden {
            true => Err(ApiError::bad_request(
                "The path is that of another alias in an unusual spelling; ask for it as it is",
            )
            .code("PATH_SPELLING")),
            false => Ok(found),
        }
    }
}
