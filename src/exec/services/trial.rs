//! The trial of a text that a model wrote: before it is saved it has to answer the
//! request that it was made for, in the sandbox. Scripts may have done so with
//! `isolate.eval`; for all others it is done here.

use http::Request;

use super::ScriptServices;
use super::files::error;
use super::isolate::{COMPILE_FUEL, FILE, RequestBody, failure, outcome, silent, whole};
use crate::exec::ExecError;
use crate::exec::history::Origin;
use crate::exec::notes::{Notes, Trigger};
use crate::exec::script::{Problem, Script};
use crate::model::directives::Ai;
use crate::model::generation::Trial;
use crate::model::script::ScriptPath;
use crate::sandbox::call::Call;
use crate::sandbox::handler::Handler;
use crate::sandbox::lane::in_turn;
use crate::sandbox::limits::CallLimits;
use crate::sandbox::services::isolate::IsolateError;
use crate::sandbox::services::{CallContext, Charged, FileResult, Services};

impl ScriptServices {
    /// Refuses a text that does not answer, at the expense of the script that would
    /// save it. What answered in an isolate, with this request, is not run again.
    pub async fn try_out(
        &self,
        call: &CallContext,
        path: &ScriptPath,
        text: &str,
        limits: CallLimits,
    ) -> Charged<FileResult<()>> {
        let noted = self.notes.now();
        let is_same = |code: &String| without_comments(code) == without_comments(text);
        let Some(trigger) = noted.trigger else {
            return Charged::free(Ok(()));
        };
        if noted.tried_code.iter().any(is_same) {
            return Charged::free(Ok(()));
        }
        let mut fuel = COMPILE_FUEL;
        let tried = self.tried(call, path, text, &trigger, (limits, &mut fuel));
        Charged {
            result: tried.await,
            fuel,
        }
    }

    async fn tried(
        &self,
        call: &CallContext,
        path: &ScriptPath,
        text: &str,
        trigger: &Trigger,
        (limits, fuel): (CallLimits, &mut u64),
    ) -> FileResult<()> {
        let checked = self.exec.check(path, text, Origin::Script).await?;
        if let Some(problem) = checked.problem() {
            self.did_not_compile(text, problem);
            return Err(ExecError::Invalid(problem.clone()).into());
        }
        // A library answers nothing by itself.
        let script = checked.into_script(&self.exec);
        let Some(script) = script.filter(|script| !script.is_library()) else {
            return Ok(());
        };
        let handler = self.exec.handler(&script).await;
        let handler = handler.map_err(ExecError::Invalid)?;
        let limits = self.capped(limits);
        let (answered, used) = self.answer(call, &script, handler, trigger, &limits).await;
        *fuel += used;
        let answered = match answered {
            Ok(_) if self.is_silent(text).await => Err(silent()),
            answered => answered,
        };
        match answered {
            Ok(status) => {
                self.notes.worked(text.to_owned(), status);
                Ok(())
            }
            Err(failed) => {
                self.failed(text.to_owned(), &failed);
                let name = if failed.name.is_empty() { "" } else { ": " };
                let message = format!("{}{name}{}", failed.name, failed.message);
                let why = format!("{path} does not answer, so it is not saved: {message}");
                Err(error("TRIAL_FAILED", why))
            }
        }
    }

    /// Whether code that a model has written says nothing, whatever it is asked. What
    /// a person writes may do without an answer.
    pub async fn is_silent(&self, code: &str) -> bool {
        let path = ScriptPath::in_deployment(&self.deployment.exec_id, FILE);
        let has_asked = self.notes.change(|noted| !noted.generations.is_empty());
        let Some(path) = path.ok().filter(|_| has_asked) else {
            return false;
        };
        let (publisher, code) = (self.exec.publisher.clone(), code.to_owned());
        let look = move || publisher.is_silent(&path, &code);
        let silent = in_turn(&self.exec.calls_compile, look).await;
        silent.unwrap_or(false)
    }

    /// Takes note of a text that is not saved, so that a model may mend it.
    pub fn did_not_compile(&self, text: &str, problem: &Problem) {
        let trial = Trial::Failed {
            code: "INVALID_SCRIPT".to_owned(),
            message: problem.message.clone(),
        };
        let message = problem.message.clone();
        self.notes.failed(text.to_owned(), trial, message);
    }

    /// The status with which a script answers that is not live yet, and the fuel that
    /// this has used.
    async fn answer(
        &self,
        call: &CallContext,
        script: &Script,
        handler: Handler,
        trigger: &Trigger,
        limits: &CallLimits,
    ) -> (Result<u16, IsolateError>, u64) {
        let request = match request(trigger) {
            Ok(request) => request,
            Err(error) => {
                let error = IsolateError {
                    code: "ISOLATE_INVALID",
                    name: String::new(),
                    message: error.to_string(),
                };
                return (Err(error), 0);
            }
        };
        let context = CallContext {
            parameters: Vec::new(),
            path: request.uri().path().to_owned(),
            // It is a call from inside, and takes its permit there.
            depth: call.depth + 1,
            ..call.clone()
        };
        // All that the script will have once it is saved, and nothing of its writer's.
        let services: std::sync::Arc<dyn Services> = std::sync::Arc::new(Self {
            notes: Notes::default(),
            script: script.path.clone(),
            is_persons: false,
            ai: Ai::default(),
            environment: Vec::new(),
            ..self.clone()
        });
        let call = Call {
            handler: &handler,
            worker: None,
            https: false,
            context,
            services,
            limits,
        };
        match self.exec.publisher.sandbox.call(call, request).await {
            Ok(answer) => {
                let (result, used) = outcome(answer, limits).await;
                (result.map(|outcome| outcome.status), used)
            }
            Err(report) => (Err(failure(&report)), report.usage.fuel),
        }
    }
}

fn request(trigger: &Trigger) -> Result<Request<RequestBody>, http::Error> {
    let mut request = Request::builder()
        .method(&trigger.method)
        .uri(format!("http://localhost{}", trigger.target))
        .body(whole(trigger.body.bytes()))?;
    request.headers_mut().clone_from(&trigger.headers);
    Ok(request)
}

/// Scripts put comments before what a model wrote, directives above all; these do
/// not change what it does with a request.
fn without_comments(text: &str) -> &str {
    let mut rest = text.trim();
    while rest.starts_with("//") {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        rest = rest.trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_before_code_are_not_code() {
        for text in [
            "return 1;",
            "\n// @mode serverless\n// more\n\n  return 1;\n",
        ] {
            assert_eq!(without_comments(text), "return 1;");
        }
        assert_eq!(without_comments("// only"), "");
        assert_ne!(
            without_comments("for (;;) {} // @x\nreturn 1;"),
            "return 1;"
        );
    }
}
