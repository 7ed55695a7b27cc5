//! Where the chunks of a large value are kept, under keys that start with a zero
//! byte, which no caller's key does.

use sled::Tree;

use super::{
    StoreError,
    values::{corrupt, sled_error},
};

pub(super) const CHUNK_BYTES: usize = 4096;
const CHUNK_PREFIX: u8 = 0;
/// Everything below this key is a chunk.
pub(super) const FIRST_RECORD_KEY: &[u8] = &[CHUNK_PREFIX + 1];

/// Where the chunks of one value are. An id is used for one value only.
pub(super) struct Chunks {
    pub id: u64,
    pub count: u32,
}

impl Chunks {
    /// The list has a checksum of its own, so that a damaged head never leads
    /// to the removal of another value's chunks.
    pub fn encode(&self, key: &str) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.count.to_le_bytes());
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(key.as_bytes());
        hasher.update(&bytes[..12]);
        bytes[12..].copy_from_slice(&hasher.finalize().to_le_bytes());
        bytes
    }

    pub fn decode(key: &str, bytes: &[u8]) -> Option<Chunks> {
        let (id, rest) = bytes.split_first_chunk()?;
        let chunks = Chunks {
            id: u64::from_le_bytes(*id),
            count: u32::from_le_bytes(*rest.first_chunk()?),
        };
        (chunks.encode(key) == bytes).then_some(chunks)
    }

    pub fn prefix(&self) -> [u8; 9] {
        let mut prefix = [CHUNK_PREFIX; 9];
        prefix[1..].copy_from_slice(&self.id.to_be_bytes());
        prefix
    }

    pub fn key(&self, index: u32) -> [u8; 13] {
        let mut key = [0; 13];
        key[..9].copy_from_slice(&self.prefix());
        key[9..].copy_from_slice(&index.to_be_bytes());
        key
    }

    pub fn read(
        &self,
        tree: &Tree,
        key: &str,
        payload_bytes: usize,
    ) -> Result<Vec<u8>, StoreError> {
        let mut payload = Vec::with_capacity(payload_bytes.min(super::RECORD_BYTES_MAX));
        for index in 0..self.count {
            let chunk = tree
                .get(self.key(index))
                .map_err(|error| sled_error(key, &error))?
                .ok_or_else(|| corrupt(key, "a part of it is missing"))?;
            payload.extend_from_slice(&chunk);
        }
        Ok(payload)
    }
}
