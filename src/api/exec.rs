//! The exec API: scripts and what belongs to them, under `/api/v1/exec/`. One
//! file a surface; the list of operations is `api::routes`.

pub mod authoring;
pub mod cache;
pub mod component;
pub mod filters;
pub mod listing;
pub mod logs;
pub mod magic_comments;
pub mod monitor;
pub mod route;
pub mod scripts;
pub mod shared_state;
pub mod tree;
pub mod user_openapi;
pub mod validate;
pub mod versions;
pub mod view;
