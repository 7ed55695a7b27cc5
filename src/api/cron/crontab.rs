//! Crontabs as texts.

use chrono::Utc;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entries::PageQuery;
use super::{token, user};
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::reply::Answer;

#[derive(Debug, Serialize, ToSchema)]
pub struct Crontab {
    pub user: String,
    pub crontab: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CrontabList {
    pub items: Vec<Crontab>,
    pub total: usize,
    pub page: usize,
    pub limit: usize,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct CrontabRequest {
    /// Takes the place of all entries.
    pub crontab: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CrontabWritten {
    pub user: String,
    pub crontab: String,
    /// Entries that had expired and were left out.
    pub removed_expired: usize,
}

pub async fn list(call: Call<PageQuery>) -> Result<Answer<CrontabList>, ApiError> {
    let token = token(&call)?;
    let (page, limit, before) = call.query.read()?;
    let mut users = call.api.cron.crontab_users()?;
    if !token.permissions.is_root() {
        users.retain(|user| *user == token.user);
    }
    users.retain(|user| token.bounds.allow_user(user));
    let total = users.len();
    let mut items = Vec::new();
    for user in users.into_iter().skip(before).take(limit) {
        let crontab = call.api.cron.crontab(&user).await?;
        items.push(Crontab { user, crontab });
    }
    Ok(Answer::ok(CrontabList {
        items,
        total,
        page,
        limit,
    }))
}

pub async fn read(call: Call<Nothing>) -> Result<Answer<Crontab>, ApiError> {
    let user = user(&call)?;
    let crontab = call.api.cron.crontab(&user).await?;
    Ok(Answer::ok(Crontab { user, crontab }))
}

pub async fn write(
    call: Call<Nothing, CrontabRequest>,
) -> Result<Answer<CrontabWritten>, ApiError> {
    let user = user(&call)?;
    let (text, dry_run, now) = (&call.body.crontab, call.scope.dry_run, Utc::now());
    let cron = &call.api.cron;
    let replaced = cron.replace_crontab(&user, text, dry_run, now).await?;
    Ok(Answer::ok(CrontabWritten {
        user,
        crontab: replaced.crontab,
        removed_expired: replaced.removed_expired,
    }))
}
