//! `footpath:host/kv`: passes through to the deployment's durable values.

use super::{State, bindings::footpath::host::kv};
use crate::sandbox::services::KvError;

impl From<KvError> for kv::Error {
    fn from(error: KvError) -> Self {
        match error {
            KvError::TooLarge(what) => Self::TooLarge(what),
            KvError::NotANumber => Self::NotANumber,
            KvError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl kv::Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, kv::Error>> {
        Ok(self.services.kv_get(&key).await.map_err(Into::into))
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), kv::Error>> {
        Ok(self.services.kv_set(&key, value).await.map_err(Into::into))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<bool, kv::Error>> {
        Ok(self.services.kv_delete(&key).await.map_err(Into::into))
    }

    async fn list(
        &mut self,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<kv::Page, kv::Error>> {
        let page = self
            .services
            .kv_list(&prefix, cursor.as_deref(), limit)
            .await;
        Ok(page
            .map(|page| kv::Page {
                keys: page.keys,
                cursor: page.cursor,
            })
            .map_err(Into::into))
    }

    async fn increment(
        &mut self,
        key: String,
        by: i64,
    ) -> wasmtime::Result<Result<i64, kv::Error>> {
        Ok(self
            .services
            .kv_increment(&key, by)
            .await
            .map_err(Into::into))
    }

    async fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<bool, kv::Error>> {
        Ok(self
            .services
            .kv_compare_and_set(&key, expected, new)
            .await
            .map_err(Into::into))
    }
}
