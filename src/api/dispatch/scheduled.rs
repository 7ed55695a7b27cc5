//! Calls that cron makes: they go the way of a request that came in by HTTP, but
//! through no listener.

use std::sync::{Arc, OnceLock};

use axum::body::Body as AxumBody;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};

use super::{Dispatcher, Origin};
use crate::cron::call::{Later, RouteAnswer, Routes, Usage};
use crate::exec::log::line::Trigger;
use crate::model::script::ScriptPath;

/// The host of a call that names none; it chooses the default deployment.
const OWN_HOST: &str = "localhost";

/// What cron wants to know of a call besides its answer.
#[derive(Debug, Clone)]
pub struct Scheduled {
    /// Set when the call has ended.
    pub usage: Arc<OnceLock<Usage>>,
    /// Run this script whatever the URL and its `@token` say: its `@schedule` is due.
    pub script: Option<ScriptPath>,
}

impl Dispatcher {
    fn scheduled(
        self: Arc<Self>,
        request: Request<Bytes>,
        request_id: String,
        script: Option<ScriptPath>,
    ) -> Later<RouteAnswer> {
        let usage = Arc::new(OnceLock::new());
        let origin = Origin {
            client_ip: None,
            https: false,
            depth: 0,
            exec_id: script.as_ref().map(|script| script.exec_id().clone()),
            execution_id: request_id,
            scheduled: Some(Scheduled {
                usage: usage.clone(),
                script,
            }),
        };
        let mut request = request.map(|body| AxumBody::new(Full::new(body)));
        let own = HeaderValue::from_static(OWN_HOST);
        request.headers_mut().entry(header::HOST).or_insert(own);
        Box::pin(async move {
            let response: Response = self.dispatch(request, origin).await;
            let response = response.map(|body| body.map_err(Into::into).boxed_unsync());
            RouteAnswer { response, usage }
        })
    }
}

impl Routes for Dispatcher {
    fn call(self: Arc<Self>, request: Request<Bytes>, request_id: String) -> Later<RouteAnswer> {
        self.scheduled(request, request_id, None)
    }

    fn fire(
        self: Arc<Self>,
        script: &str,
        mut request: Request<Bytes>,
        request_id: String,
    ) -> Later<RouteAnswer> {
        let path = ScriptPath::parse(script).ok();
        if let Some(path) = &path
            && let Ok(mount) = crate::exec::routes::mount::mount(path.relative())
            && let Ok(uri) = mount.pattern.to_string().parse()
        {
            *request.uri_mut() = uri;
        }
        self.scheduled(request, request_id, path)
    }
}

impl Origin {
    /// What led to the call.
    pub(super) fn trigger(&self) -> Trigger {
        match (&self.scheduled, self.depth) {
            (Some(_), 0) => Trigger::Schedule,
            (_, 0) => Trigger::Http,
            _ => Trigger::Internal,
        }
    }

    pub(super) fn scheduled_script(&self) -> Option<&ScriptPath> {
        self.scheduled.as_ref()?.script.as_ref()
    }
}
