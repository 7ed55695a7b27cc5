//! The proxy's API, under `/api/v1/proxy/`, in the control plane's envelope. One
//! file a surface; the list of operations is `api::routes`.

pub mod aliases;
pub mod bundles;
pub mod certs;
pub mod logs;
pub mod permissions;
