//! Calls that cron makes: they go the way of a request that came in by HTTP, but
//! through no listener.

use std::sync::Arc;

use axum::body::Body as AxumBody;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use tokio::sync::watch;

use super::admission::Credentials;
use super::authoring::notes_of;
use super::{Answered, Dispatcher, Origin, Target};
use crate::api::access::Entry;
use crate::api::error::ApiError;
use crate::cron::call::{Later, RouteAnswer, Routes, Usage};
use crate::exec::log::line::Trigger;
use crate::exec::routes::parameters::Parameters;
use crate::model::cron_run::CronRun;
use crate::model::exec_id::ExecId;
use crate::model::script::ScriptPath;
use crate::sandbox::services::Making;

/// The host of a call that names none; it chooses the default deployment.
const OWN_HOST: &str = "localhost";

/// What cron wants to know of a call besides its answer.
#[derive(Debug, Clone)]
pub struct Scheduled {
    /// Told when the call has ended, and dropped after.
    pub usage: watch::Sender<Option<Usage>>,
    /// Run this script whatever the URL and its `@token` say: its `@schedule` is due.
    pub script: Option<ScriptPath>,
    pub run: Option<Arc<CronRun>>,
}

impl Scheduled {
    /// For what a call of cron's calls in its turn.
    pub(super) fn through(run: Option<Arc<CronRun>>) -> Option<Self> {
        run.map(|run| Self {
            usage: watch::Sender::default(),
            script: None,
            run: Some(run),
        })
    }
}

impl Dispatcher {
    fn scheduled(
        self: Arc<Self>,
        request: Request<Bytes>,
        request_id: String,
        script: Option<ScriptPath>,
    ) -> Later<RouteAnswer> {
        let (told, usage) = watch::channel(None);
        let origin = Origin {
            client_ip: None,
            https: false,
            depth: 0,
            exec_id: script.as_ref().map(|script| script.exec_id().clone()),
            execution_id: request_id,
            making: Making::default(),
            dry_run: None,
            is_own: false,
            scheduled: Some(Scheduled {
                usage: told,
                script,
                run: run_of(request.headers()).map(Arc::new),
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

/// Cron names itself in headers. From anybody else they mean nothing.
fn run_of(headers: &HeaderMap) -> Option<CronRun> {
    let text = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
    Some(CronRun {
        entry_id: text("x-cron-entry")?,
        run_id: text("x-cron-run")?,
    })
}

impl Dispatcher {
    /// Runs the script whose `@schedule` is due.
    pub(super) async fn due(
        &self,
        exec_id: &ExecId,
        path: String,
        request: Request<AxumBody>,
        origin: Origin,
        entry: &mut Entry,
    ) -> Result<Answered, ApiError> {
        let missing = || ApiError::not_found("Script not found");
        let deployment = self.exec.live.get(exec_id).ok_or_else(missing)?;
        let script = origin.scheduled_script();
        let script = script.and_then(|script| deployment.scripts.get(script.relative()));
        let script = script.ok_or_else(missing)?;
        // A disabled one comes here only if somebody insists.
        entry.routed(script);
        // A route's parameters stand in a URL, and there is none.
        let target = Target {
            deployment: &deployment,
            script,
            parameters: Parameters::default(),
            path,
        };
        let notes = notes_of(&request, script, &Credentials::none());
        self.run(target, request, origin, entry, notes).await
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
