//! `footpath:host/files`: passes through to the deployment's files.

use super::isolate::what_is_left;
use super::{State, bindings::footpath::host::files};
use crate::sandbox::services::files::{FileError, FileStat, WriteOptions};

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

type Answer<T> = wasmtime::Result<Result<T, files::Error>>;

impl files::Host for State {
    async fn exists(&mut self, path: String) -> Answer<bool> {
        Ok(self.services.file_exists(&path).await.map_err(Into::into))
    }

    async fn read(&mut self, path: String) -> Answer<String> {
        Ok(self.services.file_read(&path).await.map_err(Into::into))
    }

    async fn write(
        &mut self,
        path: String,
        text: String,
        options: files::Options,
    ) -> Answer<Option<String>> {
        let options = WriteOptions {
            append: options.append,
            if_not_exists: options.if_not_exists,
            overwrite: options.overwrite,
        };
        // What it has used of its fuel the store knows, and here nobody asks it.
        let limits = what_is_left(self, self.limits.fuel);
        let services = &self.services;
        let written = services.file_write(&self.call, &path, text, options, limits);
        Ok(written.await.map_err(Into::into))
    }

    async fn entries(&mut self, path: String) -> Answer<Vec<files::Entry>> {
        let entries = self.services.file_list(&path).await;
        Ok(entries
            .map(|entries| {
                let entries = entries.into_iter().map(|entry| files::Entry {
                    name: entry.name,
                    metadata: entry.stat.into(),
                });
                entries.collect()
            })
            .map_err(Into::into))
    }

    async fn stat(&mut self, path: String) -> Answer<files::Metadata> {
        let stat = self.services.file_stat(&path).await;
        Ok(stat.map(Into::into).map_err(Into::into))
    }

    async fn remove(&mut self, path: String) -> Answer<()> {
        Ok(self.services.file_delete(&path).await.map_err(Into::into))
    }

    async fn mkdir(&mut self, path: String) -> Answer<()> {
        Ok(self.services.file_mkdir(&path).await.map_err(Into::into))
    }
}
