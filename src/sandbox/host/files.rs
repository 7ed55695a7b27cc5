//! `footpath:host/files`: passes through to the deployment's files. It is linked by
//! hand, since only so does `write` get at the store's fuel.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Linker, LinkerInstance, Lower};

use super::charge::charged;
use super::{State, bindings::footpath::host::files};
use crate::sandbox::services::files::{FileEntry, FileError, FileStat, WriteOptions};
use crate::sandbox::services::{FileResult, Later, Services};

/// The interface's name among a component's imports.
const INTERFACE: &str = concat!("footpath:host/files@", "0.1.0");

pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut linker = linker.instance(INTERFACE)?;
    let files = &mut linker;
    pass(files, "exists", |services, path| services.file_exists(path))?;
    pass(files, "read", |services, path| services.file_read(path))?;
    pass(files, "remove", |services, path| services.file_delete(path))?;
    pass(files, "mkdir", |services, path| services.file_mkdir(path))?;
    let stat: Of<FileStat> = |services, path| services.file_stat(path);
    pass_as(files, "stat", stat, files::Metadata::from)?;
    let list: Of<Vec<FileEntry>> = |services, path| services.file_list(path);
    let entries = |found: Vec<FileEntry>| found.into_iter().map(files::Entry::from);
    pass_as(files, "entries", list, move |found| {
        entries(found).collect::<Vec<_>>()
    })?;
    type Write = (String, String, files::Options);
    files.func_wrap_async(
        "write",
        |store: StoreContextMut<'_, State>, write: Write| {
            Box::new(async move { Ok((self::write(store, write).await?,)) })
        },
    )
}

async fn write(
    store: StoreContextMut<'_, State>,
    (path, text, options): (String, String, files::Options),
) -> wasmtime::Result<Result<Option<String>, files::Error>> {
    let options = WriteOptions {
        append: options.append,
        if_not_exists: options.if_not_exists,
        overwrite: options.overwrite,
    };
    let written = charged(store, |services, call, limits| {
        services.file_write(call, path, text, options, limits)
    });
    Ok(written.await?.map_err(Into::into))
}

/// What the services say of a path.
type Of<A> = for<'a> fn(&'a dyn Services, &'a str) -> Later<'a, FileResult<A>>;

fn pass<A>(files: &mut LinkerInstance<'_, State>, name: &str, of: Of<A>) -> wasmtime::Result<()>
where
    A: ComponentType + Lower + Send + Sync + 'static,
{
    pass_as(files, name, of, |found| found)
}

/// A function that takes a path, and what is found there in the component's own types.
fn pass_as<A, T>(
    files: &mut LinkerInstance<'_, State>,
    name: &str,
    of: Of<A>,
    shown: impl Fn(A) -> T + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    A: Send + 'static,
    T: ComponentType + Lower + Send + Sync + 'static,
{
    files.func_wrap_async(
        name,
        move |store: StoreContextMut<'_, State>, (path,): (String,)| {
            let services = store.data().services.clone();
            Box::new(async move {
                let found = of(&*services, &path).await;
                Ok((found.map(shown).map_err(files::Error::from),))
            })
        },
    )
}

impl From<FileError> for files::Error {
    fn from(error: FileError) -> Self {
        Self {
            code: error.code.to_owned(),
            message: error.message,
            position: error.position,
        }
    }
}

impl From<FileStat> for files::Metadata {
    fn from(stat: FileStat) -> Self {
        Self {
            size: stat.size,
            modified_ms: stat.modified_ms,
            directory: stat.directory,
        }
    }
}

impl From<FileEntry> for files::Entry {
    fn from(entry: FileEntry) -> Self {
        Self {
            name: entry.name,
            metadata: entry.stat.into(),
        }
    }
}
