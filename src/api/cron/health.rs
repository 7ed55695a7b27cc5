//! The scheduler's health: the same nine fields as the server's, one of them
//! under another name.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::health::{self, Memory};
use crate::api::reply::Answer;

#[derive(Debug, Serialize, ToSchema)]
pub struct CronHealth {
    /// Always `ok`.
    pub status: &'static str,
    pub service: &'static str,
    pub built: Option<String>,
    pub started: String,
    pub memory: Memory,
    pub fds: Option<usize>,
    pub pid: u32,
    pub ip: String,
    pub user_agent: Option<String>,
}

pub async fn read(call: Call<Nothing>) -> Result<Answer<CronHealth>, ApiError> {
    let health = health::read(call).await?.body;
    Ok(Answer::ok(CronHealth {
        status: health.status,
        service: health.service,
        built: health.built,
        started: health.started,
        memory: health.memory,
        fds: health.fds,
        pid: health.pid,
        ip: health.ip,
        user_agent: health.user_agent,
    }))
}
