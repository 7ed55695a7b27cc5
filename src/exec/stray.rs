//! What lies in the scripts folder and belongs to no deployment, or is a link:
//! somebody expects it to answer, and it never will. It tells; it must not move
//! anything.

use std::fs;

use super::folder::Folder;
use super::routes::mount::{NotMounted, mount};
use crate::model::exec_id::ExecId;
use crate::model::script::ScriptPath;

const NO_LINKS: &str =
    "it is a symbolic link, and links are not followed; put the file or folder itself here";

/// A file or folder that serves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its path below the scripts folder.
    pub name: String,
    /// What is wrong, and how to mend it.
    pub reason: String,
}

/// All of them, by name.
pub fn strays(folder: &Folder) -> Vec<Stray> {
    let entries = fs::read_dir(folder.root());
    let names = entries.into_iter().flatten().flatten();
    let mut found: Vec<Stray> = names
        .filter_map(|entry| stray(folder, entry.file_name().to_str()?))
        .collect();
    for exec_id in folder.deployments() {
        let links = folder.links(&exec_id).into_iter();
        let paths = links.filter_map(|file| ScriptPath::in_deployment(&exec_id, &file).ok());
        found.extend(paths.filter_map(|path| link(folder, &path)));
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// Whether a file of a deployment is one: a symbolic link where a route would be.
pub fn link(folder: &Folder, path: &ScriptPath) -> Option<Stray> {
    let expected = match mount(path.relative()) {
        Ok(_) => true,
        // Perhaps there are routes in it.
        Err(NotMounted::Extension) => folder.root().join(path.as_str()).is_dir(),
        Err(why) => why.is_mistake(),
    };
    (expected && folder.is_link(path)).then(|| Stray {
        name: path.to_string(),
        reason: NO_LINKS.to_owned(),
    })
}

/// Whether an entry of the scripts folder is one. What is hidden, and what would
/// be no route anywhere, is there on purpose.
pub fn stray(folder: &Folder, name: &str) -> Option<Stray> {
    let about = fs::symlink_metadata(folder.root().join(name)).ok()?;
    let on_purpose = name.starts_with(['.', '_']) || name == "node_modules";
    let reason = if about.is_symlink() && folder.root().join(name).is_dir() {
        (!on_purpose).then(|| NO_LINKS.to_owned())?
    } else if about.is_dir() {
        let error = ExecId::parse(name).err()?;
        (!on_purpose).then(|| error.to_string())?
    } else {
        let expected = match mount(name) {
            Ok(_) => true,
            Err(why) => why.is_mistake(),
        };
        let error = ScriptPath::parse(name).err()?;
        expected.then(|| error.to_string())?
    };
    Some(Stray {
        name: name.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_no_deployment_is_told() {
        let root = tempfile::tempdir().unwrap();
        for folder in [
            "1",
            "shop",
            "My Site",
            "_lib",
            ".git",
            "node_modules",
            "default",
        ] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        for file in [
            "hello.ts",
            "page.md",
            "old.tsx",
            "tsconfig.json",
            "types.d.ts",
            "_x.ts",
        ] {
            fs::write(root.path().join(file), "").unwrap();
        }
        for (name, to) in [
            ("live", "1"),
            ("1/same.ts", "../hello.ts"),
            ("1/_lib.ts", "../hello.ts"),
        ] {
            std::os::unix::fs::symlink(to, root.path().join(name)).unwrap();
        }
        let folder = Folder::new(root.path(), 1000).unwrap();
        let found = strays(&folder);
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "1/same.ts",
                "My Site",
                "default",
                "hello.ts",
                "live",
                "old.tsx",
                "page.md"
            ]
        );
        for link in [&found[0], &found[4]] {
            assert!(link.reason.contains("symbolic link"), "{link:?}");
        }
        assert!(
            found[1].reason.contains("cannot name a deployment"),
            "{found:?}"
        );
        assert!(
            found[3]
                .reason
                .contains("put it into a folder such as `1/`"),
            "{found:?}"
        );
        assert_eq!(stray(&folder, "gone.ts"), None);
    }
}
