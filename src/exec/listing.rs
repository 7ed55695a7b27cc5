//! What a deployment's folder holds, as lists and as a tree. It reads names and
//! sizes, never texts.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde::Serialize;

use super::folder::{DEPTH_MAX, Folder, FolderError};
use crate::model::script::directory::ScriptDirectory;

/// Entries of one exhaustive listing.
pub const ENTRIES_MAX: usize = 10_000;

/// A file or folder as it lies on the disk; links are not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub name: String,
    /// Relative to the deployment.
    pub path: String,
    #[serde(rename = "type")]
    pub kind: EntryKind,
    /// In bytes; of files only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// How many names the file has; of files only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<u64>,
    /// Where a symbolic link leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    File,
    Directory,
    Symlink,
    Other,
}

/// A folder could not be listed completely, so not at all.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("more than {ENTRIES_MAX} entries; list a folder further down")]
    TooMany,
    #[error("the name of {0:?} is not UTF-8; rename it")]
    NotUtf8(PathBuf),
    #[error("{0} changed while it was listed; try again")]
    Changed(String),
}

/// Everything in a folder, hidden and excluded files too, sorted by path.
pub fn everything(
    folder: &Folder,
    directory: &ScriptDirectory,
    recursive: bool,
) -> Result<Vec<Entry>, ListError> {
    let mut found = Vec::new();
    let start = folder.directory(directory)?;
    let mut folders = vec![(start, directory.relative().to_owned(), 0)];
    while let Some((place, prefix, depth)) = folders.pop() {
        let changed = |_: io::Error| ListError::Changed(prefix.clone());
        for entry in fs::read_dir(&place).map_err(changed)? {
            let entry = entry.map_err(changed)?;
            let name = entry
                .file_name()
                .into_string()
                .map_err(|_| ListError::NotUtf8(entry.path()))?;
            let path = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}/{name}")
            };
            let metadata = entry.metadata().map_err(changed)?;
            if metadata.is_dir() && recursive && depth < DEPTH_MAX {
                folders.push((entry.path(), path.clone(), depth + 1));
            }
            if found.len() == ENTRIES_MAX {
                return Err(ListError::TooMany);
            }
            found.push(describe(name, path, &entry.path(), &metadata));
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn describe(name: String, path: String, place: &std::path::Path, metadata: &Metadata) -> Entry {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => EntryKind::File,
        kind if kind.is_dir() => EntryKind::Directory,
        kind if kind.is_symlink() => EntryKind::Symlink,
        _ => EntryKind::Other,
    };
    let is_file = kind == EntryKind::File;
    let target = (kind == EntryKind::Symlink)
        .then(|| fs::read_link(place).ok())
        .flatten();
    Entry {
        name,
        path,
        kind,
        size: is_file.then(|| metadata.len()),
        links: is_file.then(|| metadata.nlink()),
        target: target.map(|target| target.display().to_string()),
    }
}

/// A file or folder and what lies below it.
#[derive(Debug, Clone)]
pub struct Node {
    pub name: String,
    /// Relative to the deployment.
    pub path: String,
    /// Of files only.
    pub metadata: Option<Metadata>,
    /// Of folders only; empty below the depth that was asked for.
    pub children: Option<Vec<Node>>,
}

/// The visible files below a folder, as a tree of that depth; folders first.
pub fn tree(
    folder: &Folder,
    directory: &ScriptDirectory,
    depth_max: usize,
) -> Result<Vec<Node>, FolderError> {
    folder.directory(directory)?;
    let prefix = match directory.relative() {
        "" => String::new(),
        relative => format!("{relative}/"),
    };
    let files = folder.files(directory.exec_id());
    let below = files.into_iter().filter_map(|(path, metadata)| {
        let rest = path.strip_prefix(&prefix)?.to_owned();
        Some((rest, metadata))
    });
    Ok(level(&prefix, below.collect(), depth_max))
}

fn level(prefix: &str, files: Vec<(String, Metadata)>, depth_left: usize) -> Vec<Node> {
    let mut folders: BTreeMap<String, Vec<(String, Metadata)>> = BTreeMap::new();
    let mut here = Vec::new();
    if depth_left == 0 {
        return here;
    }
    for (path, metadata) in files {
        match path.split_once('/') {
            Some((folder, rest)) => folders
                .entry(folder.to_owned())
                .or_default()
                .push((rest.to_owned(), metadata)),
            None => here.push(Node {
                path: format!("{prefix}{path}"),
                name: path,
                metadata: Some(metadata),
                children: None,
            }),
        }
    }
    let folders = folders.into_iter().map(|(name, files)| {
        let children = level(&format!("{prefix}{name}/"), files, depth_left - 1);
        Node {
            path: format!("{prefix}{name}"),
            name,
            metadata: None,
            children: Some(children),
        }
    });
    folders.chain(here).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::exec_id::ExecId;

    fn folder(files: &[&str]) -> (tempfile::TempDir, Folder) {
        let home = tempfile::tempdir().unwrap();
        for file in files {
            let path = home.path().join("1").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let folder = Folder::new(home.path(), 1000).unwrap();
        (home, folder)
    }

    fn directory(path: &str) -> ScriptDirectory {
        ScriptDirectory::resolve(&ExecId::default(), path).unwrap()
    }

    #[test]
    fn everything_means_hidden_files_and_links_too() {
        let (home, folder) = folder(&["a.ts", ".hidden", "api/b.ts", "node_modules/x/i.js"]);
        std::os::unix::fs::symlink("a.ts", home.path().join("1/link.ts")).unwrap();
        let paths = |recursive| -> Vec<String> {
            let entries = everything(&folder, &directory(""), recursive).unwrap();
            entries
                .into_iter()
                .map(|entry| format!("{} {:?}", entry.path, entry.kind))
                .collect()
        };
        let direct = [
            ".hidden File",
            "a.ts File",
            "api Directory",
            "link.ts Symlink",
            "node_modules Directory",
        ];
        assert_eq!(paths(false), direct);
        assert_eq!(paths(true).len(), 8);
        let link = everything(&folder, &directory(""), false)
            .unwrap()
            .remove(3);
        assert_eq!((link.target.as_deref(), link.size), (Some("a.ts"), None));
        let api = everything(&folder, &directory("api"), false).unwrap();
        assert_eq!(
            (api[0].path.as_str(), api[0].size, api[0].links),
            ("api/b.ts", Some(1), Some(1))
        );
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let (_home, folder) = folder(&["a.ts"]);
        let missing = everything(&folder, &directory("gone"), false);
        assert!(matches!(
            missing,
            Err(ListError::Folder(FolderError::NotFound(_)))
        ));
        assert!(matches!(
            tree(&folder, &directory("a.ts"), 1),
            Err(FolderError::NotFound(_))
        ));
    }

    #[test]
    fn a_tree_has_folders_first_and_ends_at_its_depth() {
        let (_home, folder) = folder(&["b.ts", "api/c.ts", "api/v1/d.ts"]);
        let shape = |path: &str, depth: usize| {
            fn write(nodes: &[Node]) -> String {
                let one = |node: &Node| match &node.children {
                    Some(children) => format!("{}({})", node.path, write(children)),
                    None => node.path.clone(),
                };
                nodes.iter().map(one).collect::<Vec<_>>().join(" ")
            }
            write(&tree(&folder, &directory(path), depth).unwrap())
        };
        assert_eq!(shape("", 10), "api(api/v1(api/v1/d.ts) api/c.ts) b.ts");
        assert_eq!(shape("", 1), "api() b.ts");
        assert_eq!(shape("api", 10), "api/v1(api/v1/d.ts) api/c.ts");
    }
}
