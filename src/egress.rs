//! The one way out: resolve, filter, dial that address.
use bytes::Bytes;
pub struct Egress;
#[derive(Debug, thiserror::Error)]
#[error("no way out yet")]
pub struct EgressError;
impl EgressError { pub fn code(&self) -> &'static str { "REFUSED" } }
impl Egress {
    pub async fn send<B>(&self, _: http::Request<B>) -> Result<http::Response<http_body_util::Empty<Bytes>>, EgressError> { Err(EgressError) }
}
