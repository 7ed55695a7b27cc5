//! Code that is no file, and is run once in an isolate: compiled like a script,
//! with what was passed to it and nothing else. It is kept nowhere.

use super::{Publisher, problem, threw};
use crate::compile::capability::Capability;
use crate::compile::capability_scan::scan;
use crate::compile::link::image;
use crate::compile::shape::Shape;
use crate::compile::silence::is_silent;
use crate::compile::stack::SourceMaps;
use crate::exec::history::Origin;
use crate::exec::script::Problem;
use crate::model::directives::Directives;
use crate::model::script::ScriptPath;
use crate::sandbox::handler::Handler;
use crate::sandbox::snapshot::{Passed, SnapshotError};

impl Publisher {
    /// Whether code that compiles says nothing, whatever it is asked. Blocks for a
    /// millisecond or two.
    pub fn is_silent(&self, path: &ScriptPath, code: &str) -> bool {
        let bundled = self.bundle(path, code, Origin::Script);
        bundled.is_ok_and(|(bundle, _)| is_silent(&bundle))
    }

    /// Compiles code that is no file, for one evaluation with what is passed to
    /// it. Takes what its top level uses off the fuel. Blocks for some milliseconds.
    pub fn isolate(
        &self,
        path: &ScriptPath,
        code: &str,
        passed: Passed,
        memory_bytes: usize,
        fuel: &mut u64,
    ) -> Result<Handler, Problem> {
        let (bundle, _) = self.bundle(path, code, Origin::Script)?;
        if bundle.shape == Shape::Library {
            return Err(problem(
                "the code only exports for imports: it has no handler",
            ));
        }
        let asked = |one: &Capability| {
            *one == Capability::Fetch && passed.passed.iter().any(|name| name == one.global())
        };
        let capabilities = scan(&bundle).into_iter().filter(asked).collect();
        let directives = Directives::default();
        let mut spec = self.spec(path, &bundle, &directives, &capabilities, false);
        spec.strict = true;
        spec.isolate = Some(passed);
        let snapshot =
            self.sandbox
                .snapshot(&spec, memory_bytes, fuel)
                .map_err(|error| match error {
                    SnapshotError::Threw(error) => threw(&error, &SourceMaps::of(&bundle)),
                    other => problem(&other.to_string()),
                })?;
        let frame = self.frame(&capabilities)?;
        let handler = self
            .sandbox
            .passing_handler(&frame, &image(&snapshot.memory));
        handler.map_err(|error| problem(&error.to_string()))
    }
}
