//! What the engine is told to load, and the name of what comes of it.

use sha2::{Digest, Sha256};

use super::Publisher;
use crate::compile::bundle::Bundle;
use crate::compile::capability::Capabilities;
use crate::compile::shape::Shape;
use crate::compile::wrap::PARAMETERS;
use crate::exec::routes::mount::mount;
use crate::model::directives::Directives;
use crate::model::script::ScriptPath;
use crate::sandbox::snapshot::LoadSpec;

impl Publisher {
    pub(super) fn spec(
        &self,
        path: &ScriptPath,
        bundle: &Bundle,
        directives: &Directives,
        capabilities: &Capabilities,
        portable: bool,
    ) -> LoadSpec {
        let mount = mount(path.relative());
        LoadSpec {
            entry: bundle.entry.clone(),
            shape: engine_shape(bundle.shape),
            pattern: mount
                .map(|mount| mount.pattern.to_string())
                .unwrap_or_default(),
            globals: capabilities.iter().map(|one| one.global()).collect(),
            exchange: exchange(bundle),
            portable,
            deferred: false,
            raw_body: directives.raw_body,
            strict: false,
            isolate: None,
            modules: bundle
                .modules
                .iter()
                .map(|module| (module.path.clone(), module.code.clone()))
                .collect(),
        }
    }

    /// A name for all that goes into a component.
    pub(super) fn version(&self, spec: &LoadSpec) -> String {
        let mut digest = Sha256::new();
        digest.update(&self.engine.version);
        // A specification is plain data and always has a JSON form.
        digest.update(serde_json::to_vec(spec).unwrap_or_default());
        digest
            .finalize()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// What of an exchange the handler could look at. Its body is wrapped into a function
/// with these as parameters, so a name that stands there once is not used.
fn exchange(bundle: &Bundle) -> Vec<&'static str> {
    let [req, res, metadata, _] = PARAMETERS;
    let entry = bundle.modules.first();
    let code = entry.filter(|_| bundle.shape == Shape::Body);
    let Some(code) = code.map(|module| module.code.as_str()) else {
        return vec![req, res, metadata];
    };
    let words = |word: &str| words(code).filter(|one| *one == word).count();
    let any = words("arguments") > 0 || words("eval") > 0;
    [req, res, metadata]
        .into_iter()
        .filter(|name| any || words(name) > 1)
        .collect()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|character: char| !character.is_alphanumeric() && !"_$".contains(character))
}

fn engine_shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Body => "body",
        Shape::Node => "node",
        Shape::CommonJs => "commonjs",
        Shape::Web => "web",
        Shape::Evaluate => "evaluate",
        Shape::Library => "library",
    }
}
