//! A folder of a deployment.

use super::error::PathError;
use super::{ScriptPath, check_characters, check_relative, relative_to, strip_folder};
use crate::model::exec_id::ExecId;

/// A folder of a deployment; the empty relative path is the deployment itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptDirectory {
    exec_id: ExecId,
    relative: String,
}

impl ScriptDirectory {
    /// Resolves a folder as [`ScriptPath::resolve`] resolves a file. A trailing
    /// `/` is allowed; nothing, `scripts` and the deployment's own name are the
    /// deployment itself.
    pub fn resolve(scope: &ExecId, text: &str) -> Result<ScriptDirectory, PathError> {
        check_characters(text)?;
        let folder = text.strip_suffix('/').unwrap_or(text);
        let root = ScriptDirectory {
            exec_id: scope.clone(),
            relative: String::new(),
        };
        if text.is_empty() {
            return Ok(root);
        }
        if folder.is_empty() {
            return Err(PathError::Absolute);
        }
        // With a slash at its end the deployment's own name is a prefix of itself.
        let folder = format!("{folder}/");
        let Some(relative) = relative_to(scope, &folder).strip_suffix('/') else {
            return Ok(root);
        };
        check_relative(relative)?;
        Ok(ScriptDirectory {
            exec_id: scope.clone(),
            relative: relative.to_owned(),
        })
    }

    pub fn exec_id(&self) -> &ExecId {
        &self.exec_id
    }

    /// The folder inside the deployment, without a slash at either end.
    pub fn relative(&self) -> &str {
        &self.relative
    }

    /// Whether the script lies in this folder or below it.
    pub fn contains(&self, path: &ScriptPath) -> bool {
        path.exec_id == self.exec_id
            && (self.relative.is_empty() || strip_folder(path.relative(), &self.relative).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ExecId {
        ExecId::parse(text).unwrap()
    }

    #[test]
    fn folders_resolve_like_files() {
        let folder =
            |text: &str| ScriptDirectory::resolve(&id("1"), text).map(|d| d.relative().to_owned());
        for text in [
            "",
            "scripts",
            "scripts/",
            "1",
            "1/",
            "scripts/1",
            "default/1/",
        ] {
            assert_eq!(folder(text).as_deref(), Ok(""), "{text}");
        }
        for text in ["api", "api/", "1/api", "scripts/default/1/api/"] {
            assert_eq!(folder(text).as_deref(), Ok("api"), "{text}");
        }
        assert_eq!(folder("/"), Err(PathError::Absolute));
        assert_eq!(folder("/etc"), Err(PathError::Absolute));
        assert_eq!(folder("api//"), Err(PathError::EmptySegment));
        assert_eq!(folder("1/.."), Err(PathError::Parent));
    }

    #[test]
    fn a_folder_contains_what_lies_below_it() {
        let contains = |folder: &str, path: &str| {
            let folder = ScriptDirectory::resolve(&id("1"), folder).unwrap();
            folder.contains(&ScriptPath::parse(path).unwrap())
        };
        assert!(contains("", "1/x.ts"));
        assert!(contains("api", "1/api/v1/x.ts"));
        assert!(!contains("api", "1/apis/x.ts"));
        assert!(!contains("api", "1/api"));
        assert!(!contains("", "2/x.ts"));
    }
}
