//! Where a script lives: its deployment and its path inside it.
//!
//! Owns the rules for names that come from outside (API bodies, scripts that
//! write files, the scripts folder). It must not touch the disk: that a path
//! leads through a symbolic link is for the part that opens it to find out.

pub mod directory;
pub mod error;

use std::fmt;
use std::sync::Arc;

use self::error::PathError;
use super::exec_id::{ExecId, STORAGE_ROOT, SUBDOMAIN};
use serde::{Deserialize, Serialize};

/// Longest storage-relative path, in bytes. Linux allows 4096 for the whole
/// path; this leaves room for the folder that the scripts folder stands in.
pub const MAX_PATH_BYTES: usize = 1024;
/// Longest single name, in bytes: what common file systems allow.
pub const MAX_SEGMENT_BYTES: usize = 255;
/// Names refused at any depth and in any case.
pub const RESERVED_SEGMENTS: [&str; 6] = [
    "node_modules",
    ".git",
    ".footpath",
    ".hoody-cache",
    "_sdk",
    "_hoody",
];

/// The place of one script: `<execId>/<path inside the deployment>`, separated
/// by `/` on every system. Shown, stored and serialised as that text.
///
/// Names are compared byte by byte: two Unicode spellings of one letter are two
/// names, as they are to the file system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScriptPath {
    exec_id: ExecId,
    full: Arc<str>,
}

impl ScriptPath {
    /// Reads a storage path, which names its deployment: `1/api/x.ts`,
    /// `scripts/1/api/x.ts` or `default/1/api/x.ts`.
    pub fn parse(text: &str) -> Result<ScriptPath, PathError> {
        check_characters(text)?;
        let rest = strip_folder(text, STORAGE_ROOT).unwrap_or(text);
        let rest = strip_folder(rest, SUBDOMAIN).unwrap_or(rest);
        if rest.is_empty() {
            return Err(PathError::Empty);
        }
        if rest.starts_with('/') {
            return Err(PathError::Absolute);
        }
        let Some((first, relative)) = rest.split_once('/') else {
            check_segments(rest)?;
            return Err(PathError::NoDeployment(abbreviated(rest)));
        };
        check_segments(first)?;
        ScriptPath::in_deployment(&ExecId::parse(first)?, relative)
    }

    /// Resolves a path as the API and scripts give it: inside `scope`, whether
    /// or not it says so. With scope `1`, the texts `api/x.ts`, `1/api/x.ts`,
    /// `scripts/api/x.ts`, `scripts/1/api/x.ts` and `default/1/api/x.ts` are one
    /// path. Nothing that is written here can reach another deployment:
    /// `2/x.ts` becomes `1/2/x.ts`.
    pub fn resolve(scope: &ExecId, text: &str) -> Result<ScriptPath, PathError> {
        check_characters(text)?;
        ScriptPath::in_deployment(scope, relative_to(scope, text))
    }

    /// Builds the path of a file that was found at `relative` in a deployment.
    pub fn in_deployment(exec_id: &ExecId, relative: &str) -> Result<ScriptPath, PathError> {
        check_relative(relative)?;
        let full = format!("{exec_id}/{relative}");
        if full.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong(full.len()));
        }
        Ok(ScriptPath {
            exec_id: exec_id.clone(),
            full: full.into(),
        })
    }

    pub fn exec_id(&self) -> &ExecId {
        &self.exec_id
    }

    /// The whole storage path, deployment first: `1/api/x.ts`.
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// The path inside the deployment: `api/x.ts`.
    pub fn relative(&self) -> &str {
        &self.full[self.exec_id.as_str().len() + 1..]
    }

    pub fn file_name(&self) -> &str {
        self.full.rsplit('/').next().unwrap_or(&self.full)
    }

    /// What follows the last dot of the file name: `ts`. None for `Makefile`
    /// and for hidden files without a second dot.
    pub fn extension(&self) -> Option<&str> {
        let (stem, extension) = self.file_name().rsplit_once('.')?;
        (!stem.is_empty()).then_some(extension)
    }
}

/// Drops the optional folders before the deployment and the deployment's name.
fn relative_to<'a>(scope: &ExecId, text: &'a str) -> &'a str {
    let text = strip_folder(text, STORAGE_ROOT).unwrap_or(text);
    let own = |text: &'a str| strip_folder(text, scope.as_str());
    strip_folder(text, SUBDOMAIN)
        .and_then(own)
        .or_else(|| own(text))
        .unwrap_or(text)
}

fn strip_folder<'a>(text: &'a str, folder: &str) -> Option<&'a str> {
    text.strip_prefix(folder)?.strip_prefix('/')
}

/// The checks that hold before the path is taken apart.
fn check_characters(text: &str) -> Result<(), PathError> {
    if text.len() > 2 * MAX_PATH_BYTES {
        return Err(PathError::TooLong(text.len()));
    }
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return Err(PathError::Control(control.into()));
    }
    if text.contains('\\') {
        return Err(PathError::Backslash);
    }
    Ok(())
}

fn check_relative(relative: &str) -> Result<(), PathError> {
    check_characters(relative)?;
    if relative.is_empty() {
        return Err(PathError::Empty);
    }
    if relative.starts_with('/') {
        return Err(PathError::Absolute);
    }
    check_segments(relative)
}

fn check_segments(path: &str) -> Result<(), PathError> {
    for segment in path.split('/') {
        match segment {
            "" => return Err(PathError::EmptySegment),
            "." => return Err(PathError::Dot),
            ".." => return Err(PathError::Parent),
            _ if segment.len() > MAX_SEGMENT_BYTES => {
                return Err(PathError::SegmentTooLong(abbreviated(segment)));
            }
            _ if RESERVED_SEGMENTS
                .iter()
                .any(|name| segment.eq_ignore_ascii_case(name)) =>
            {
                return Err(PathError::Reserved(segment.to_owned()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Enough of a name to recognise it in a message.
fn abbreviated(text: &str) -> String {
    text.chars().take(40).collect()
}

impl fmt::Display for ScriptPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl TryFrom<String> for ScriptPath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        ScriptPath::parse(&text)
    }
}

impl From<ScriptPath> for String {
    fn from(path: ScriptPath) -> String {
        path.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::error::Refusal;
    use super::*;

    fn id(text: &str) -> ExecId {
        ExecId::parse(text).unwrap()
    }

    #[test]
    fn a_storage_path_names_its_deployment() {
        for text in [
            "1/api/x.ts",
            "scripts/1/api/x.ts",
            "default/1/api/x.ts",
            "scripts/default/1/api/x.ts",
        ] {
            let path = ScriptPath::parse(text).unwrap();
            assert_eq!(path.as_str(), "1/api/x.ts", "{text}");
            assert_eq!(
                (path.exec_id(), path.relative()),
                (&id("1"), "api/x.ts"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_relative_path_stays_in_its_scope() {
        let cases = [
            ("api/x.ts", "1/api/x.ts"),
            ("1/api/x.ts", "1/api/x.ts"),
            ("scripts/1/api/x.ts", "1/api/x.ts"),
            ("scripts/default/1/api/x.ts", "1/api/x.ts"),
            ("default/1/api/x.ts", "1/api/x.ts"),
            ("scripts/certs/renew.ts", "1/certs/renew.ts"),
            ("default/x.ts", "1/default/x.ts"),
            ("2/x.ts", "1/2/x.ts"),
            ("scripts/2/x.ts", "1/2/x.ts"),
            ("10/x.ts", "1/10/x.ts"),
            ("1/1/x.ts", "1/1/x.ts"),
            ("1", "1/1"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                ScriptPath::resolve(&id("1"), text).unwrap().as_str(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn bad_paths_are_refused_with_their_reason() {
        let long_name = "x".repeat(256);
        let long_path = format!("{}x.ts", "abcdefgh/".repeat(120));
        let cases = [
            ("", PathError::Empty, Refusal::Malformed),
            ("1/", PathError::Empty, Refusal::Malformed),
            ("/etc/passwd", PathError::Absolute, Refusal::Outside),
            ("../x.ts", PathError::Parent, Refusal::Outside),
            ("1/../2/x.ts", PathError::Parent, Refusal::Outside),
            ("api/..", PathError::Parent, Refusal::Outside),
            ("./x.ts", PathError::Dot, Refusal::Malformed),
            ("api//x.ts", PathError::EmptySegment, Refusal::Malformed),
            ("api/", PathError::EmptySegment, Refusal::Malformed),
            ("api\\x.ts", PathError::Backslash, Refusal::Malformed),
            ("a\0.ts", PathError::Control(0), Refusal::Malformed),
            ("a\u{85}.ts", PathError::Control(0x85), Refusal::Malformed),
            (
                &long_name,
                PathError::SegmentTooLong("x".repeat(40)),
                Refusal::Malformed,
            ),
            (&long_path, PathError::TooLong(1086), Refusal::Malformed),
            (
                "a/node_modules/x.ts",
                PathError::Reserved("node_modules".into()),
                Refusal::Excluded,
            ),
            (
                ".GIT/config",
                PathError::Reserved(".GIT".into()),
                Refusal::Excluded,
            ),
            (
                "a/.Footpath",
                PathError::Reserved(".Footpath".into()),
                Refusal::Excluded,
            ),
        ];
        for (text, error, refusal) in cases {
            assert_eq!(
                ScriptPath::resolve(&id("1"), text),
                Err(error.clone()),
                "{text}"
            );
            assert_eq!(error.refusal(), refusal, "{text}");
        }
    }

    #[test]
    fn a_storage_path_needs_a_deployment() {
        assert_eq!(
            ScriptPath::parse("x.ts"),
            Err(PathError::NoDeployment("x.ts".into()))
        );
        assert_eq!(
            ScriptPath::parse("scripts/x.ts"),
            Err(PathError::NoDeployment("x.ts".into()))
        );
        assert_eq!(ScriptPath::parse(".."), Err(PathError::Parent));
        assert_eq!(ScriptPath::parse("../1/x.ts"), Err(PathError::Parent));
        assert!(matches!(
            ScriptPath::parse("My App/x.ts"),
            Err(PathError::ExecId(_))
        ));
    }

    #[test]
    fn names_are_taken_apart() {
        let parts = |text: &str| {
            let path = ScriptPath::parse(text).unwrap();
            (
                path.file_name().to_owned(),
                path.extension().map(str::to_owned),
            )
        };
        assert_eq!(
            parts("1/a/b.test.ts"),
            ("b.test.ts".into(), Some("ts".into()))
        );
        assert_eq!(parts("1/Makefile"), ("Makefile".into(), None));
        assert_eq!(parts("1/a.b/.env"), (".env".into(), None));
    }

    #[test]
    fn a_path_is_text_in_json_and_checked_on_the_way_in() {
        let path: ScriptPath = serde_json::from_str("\"scripts/1/x.ts\"").unwrap();
        assert_eq!(serde_json::to_string(&path).unwrap(), "\"1/x.ts\"");
        assert!(serde_json::from_str::<ScriptPath>("\"1/../x.ts\"").is_err());
    }
}
