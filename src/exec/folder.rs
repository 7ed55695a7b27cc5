//! The scripts folder: the text of scripts lives here, as files that people edit
//! and commit. Every path is checked before it is used, symbolic links lead
//! nowhere. It must not know what a script means.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::model::exec_id::ExecId;
use crate::model::script::ScriptPath;
use crate::model::script::directory::ScriptDirectory;
use crate::store::files;

/// Folders below a deployment, one inside the other.
pub const DEPTH_MAX: usize = 32;
/// Files of all deployments together that are looked at.
pub const FILES_MAX: usize = 100_000;

/// A file or folder operation failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{0} does not exist")]
    NotFound(String),
    #[error("{0} exists already; write without ifNotExists to replace it")]
    Exists(String),
    #[error("{0} leads through a symbolic link; links are not followed out of the scripts folder")]
    Symlink(String),
    #[error("{0} is a folder; use scripts/list")]
    IsFolder(String),
    #[error("{0} is a folder with something in it; delete that first")]
    NotEmpty(String),
    #[error("the folder of {0} does not exist, or is a file; write with createDirs to make it")]
    NoFolder(String),
    #[error("{path} is not UTF-8 text: byte {offset} is invalid; save the file as UTF-8")]
    NotText { path: String, offset: usize },
    #[error(
        "{path} has {bytes} bytes, the limit is {max_bytes}; split the script or raise limits.source_bytes"
    )]
    TooLarge {
        path: String,
        bytes: u64,
        max_bytes: u64,
    },
    #[error("the disk is full: {0} was not written; free some space and try again")]
    DiskFull(String),
    #[error("{path}: {error}")]
    Io { path: String, error: io::Error },
}

#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    source_bytes_max: u64,
}

impl Folder {
    /// The folder must exist: changes are reported by its canonical path.
    pub fn new(root: &Path, source_bytes_max: u64) -> io::Result<Self> {
        Ok(Self {
            root: root.canonicalize()?,
            source_bytes_max,
        })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The text of a file of a deployment, or none.
    pub fn read(&self, path: &ScriptPath) -> Result<String, FolderError> {
        let place = self.place(path)?;
        let failed = |error| fault(path.as_str(), error);
        let file = fs::File::open(&place).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(FolderError::IsFolder(path.to_string()));
        }
        let mut bytes = Vec::new();
        file.take(self.source_bytes_max + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > self.source_bytes_max {
            return Err(FolderError::TooLarge {
                path: path.to_string(),
                bytes: metadata.len(),
                max_bytes: self.source_bytes_max,
            });
        }
        String::from_utf8(bytes).map_err(|error| FolderError::NotText {
            path: path.to_string(),
            offset: error.utf8_error().valid_up_to(),
        })
    }

    pub fn metadata(&self, path: &ScriptPath) -> Result<fs::Metadata, FolderError> {
        fs::metadata(self.place(path)?).map_err(|error| fault(path.as_str(), error))
    }

    pub fn exists(&self, path: &ScriptPath) -> bool {
        self.place(path).is_ok_and(|place| place.exists())
    }

    pub fn is_folder(&self, path: &ScriptPath) -> bool {
        self.place(path).is_ok_and(|place| place.is_dir())
    }

    /// Whether a text may be written to a path; nothing is.
    pub fn check(
        &self,
        path: &ScriptPath,
        text: &str,
        folder_must_exist: bool,
    ) -> Result<(), FolderError> {
        let place = self.place(path)?;
        if place.is_dir() {
            return Err(FolderError::IsFolder(path.to_string()));
        }
        let bytes = text.len() as u64;
        if bytes > self.source_bytes_max {
            return Err(FolderError::TooLarge {
                path: path.to_string(),
                bytes,
                max_bytes: self.source_bytes_max,
            });
        }
        let above = |folder: &&Path| folder_must_exist || folder.exists();
        match place.ancestors().skip(1).find(above) {
            Some(folder) if folder.is_dir() => Ok(()),
            _ => Err(FolderError::NoFolder(path.to_string())),
        }
    }

    /// Writes a file so that readers see the old or the new text, never a part.
    pub fn write(&self, path: &ScriptPath, text: &str, only_new: bool) -> Result<(), FolderError> {
        self.check(path, text, false)?;
        let place = self.place(path)?;
        let write = if only_new {
            files::create_atomic
        } else {
            files::write_atomic
        };
        let made = place.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| write(&place, text.as_bytes()))
            .map_err(|error| fault(path.as_str(), error))
    }

    /// Makes a folder and those above it.
    pub fn make(&self, path: &ScriptPath) -> Result<(), FolderError> {
        let place = self.place(path)?;
        fs::create_dir_all(&place).map_err(|error| fault(path.as_str(), error))
    }

    /// Deletes a folder that has nothing in it.
    pub fn remove_folder(&self, path: &ScriptPath) -> Result<(), FolderError> {
        let place = self.place(path)?;
        fs::remove_dir(&place).map_err(|error| match error.kind() {
            ErrorKind::DirectoryNotEmpty => FolderError::NotEmpty(path.to_string()),
            _ => fault(path.as_str(), error),
        })
    }

    /// Deletes a file, and the folders that are empty then.
    pub fn delete(&self, path: &ScriptPath) -> Result<(), FolderError> {
        let place = self.place(path)?;
        let removed = fs::remove_file(&place).and_then(|()| files::sync_folder_of(&place));
        removed.map_err(|error| fault(path.as_str(), error))?;
        self.remove_empty(path.exec_id(), &place);
        Ok(())
    }

    /// Removes the folders that are empty since a file has left its place.
    fn remove_empty(&self, exec_id: &ExecId, place: &Path) {
        let deployment = self.root.join(exec_id.as_str());
        let mut folder = place.parent();
        while let Some(empty) =
            folder.filter(|folder| folder.starts_with(&deployment) && *folder != deployment)
        {
            if fs::remove_dir(empty).is_err() {
                break;
            }
            folder = empty.parent();
        }
    }

    /// Moves a file, and deletes the folders that are empty then.
    pub fn rename(
        &self,
        from: &ScriptPath,
        to: &ScriptPath,
        overwrite: bool,
    ) -> Result<(), FolderError> {
        let (old, new) = (self.place(from)?, self.place(to)?);
        if !old.is_file() {
            return Err(FolderError::NotFound(from.to_string()));
        }
        if !overwrite && new.exists() {
            return Err(FolderError::Exists(to.to_string()));
        }
        let made = new.parent().map_or(Ok(()), fs::create_dir_all);
        let renamed = made
            .and_then(|()| fs::rename(&old, &new))
            .and_then(|()| files::sync_folder_of(&new));
        renamed.map_err(|error| fault(from.as_str(), error))?;
        self.remove_empty(from.exec_id(), &old);
        Ok(())
    }

    /// The deployments: folders directly below the root with a fitting name.
    pub fn deployments(&self) -> Vec<ExecId> {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return Vec::new();
        };
        let mut found: Vec<ExecId> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| ExecId::parse(entry.file_name().to_str()?).ok())
            .collect();
        found.sort();
        found
    }

    /// The files of a deployment by deployment-relative path, without links and
    /// without folders that start with a dot.
    pub fn files(&self, exec_id: &ExecId) -> BTreeMap<String, fs::Metadata> {
        let mut found = BTreeMap::new();
        self.walk(exec_id, |path, kind, entry| {
            if kind.is_file()
                && found.len() < FILES_MAX
                && let Ok(metadata) = entry.metadata()
            {
                found.insert(path, metadata);
            }
        });
        found
    }

    /// The symbolic links where files would be, by deployment-relative path.
    pub fn links(&self, exec_id: &ExecId) -> Vec<String> {
        let mut found = Vec::new();
        self.walk(exec_id, |path, kind, _| {
            if kind.is_symlink() && found.len() < FILES_MAX {
                found.push(path);
            }
        });
        found
    }

    /// Whether a path is a symbolic link itself.
    pub fn is_link(&self, path: &ScriptPath) -> bool {
        fs::symlink_metadata(self.root.join(path.as_str())).is_ok_and(|about| about.is_symlink())
    }

    /// Visits what lies in a deployment but for folders. What starts with a dot and
    /// packages are passed over.
    fn walk(&self, exec_id: &ExecId, mut visit: impl FnMut(String, fs::FileType, &fs::DirEntry)) {
        let Ok(root) = self.checked(exec_id.as_str()) else {
            return;
        };
        let mut folders = vec![(root, String::new(), 0)];
        while let Some((folder, prefix, depth)) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type())
                else {
                    continue;
                };
                if name.starts_with('.') || name == "node_modules" {
                    continue;
                }
                let path = match prefix.as_str() {
                    "" => name,
                    prefix => format!("{prefix}/{name}"),
                };
                if !kind.is_dir() {
                    visit(path, kind, &entry);
                } else if depth < DEPTH_MAX {
                    folders.push((entry.path(), path, depth + 1));
                }
            }
        }
    }

    /// Where a folder of a deployment lies.
    pub fn directory(&self, directory: &ScriptDirectory) -> Result<PathBuf, FolderError> {
        let path = format!("{}/{}", directory.exec_id(), directory.relative());
        let place = self.checked(&path)?;
        if place.is_dir() {
            Ok(place)
        } else {
            Err(FolderError::NotFound(path))
        }
    }

    /// Where a path lies, after a look at every folder on the way.
    fn place(&self, path: &ScriptPath) -> Result<PathBuf, FolderError> {
        self.checked(path.as_str())
    }

    fn checked(&self, path: &str) -> Result<PathBuf, FolderError> {
        let mut place = self.root.clone();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            place.push(segment);
            if fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.is_symlink()) {
                return Err(FolderError::Symlink(path.to_owned()));
            }
        }
        Ok(place)
    }
}

fn fault(path: &str, error: io::Error) -> FolderError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => FolderError::NotFound(path.to_owned()),
        ErrorKind::AlreadyExists => FolderError::Exists(path.to_owned()),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FolderError::DiskFull(path.to_owned()),
        _ => FolderError::Io {
            path: path.to_owned(),
            error,
        },
    }
}
