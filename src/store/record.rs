//! The bytes of one value: a header with a checksum, then the payload.
//!
//! ```text
//! 0  magic "fp"         2 bytes
//! 2  format version     1
//! 3  layout             1   0 = payload follows, 1 = payload is in chunks
//! 4  kind               2   which part's record this is
//! 6  kind version       2   version of that part's shape
//! 8  payload length     4
//! 12 CRC-32             4   over key, bytes 0 to 12, payload
//! ```
//!
//! Numbers are little-endian. The key is part of the checksum, so bytes that
//! end up under another key are found out as well. This file must not know
//! where records are kept.

use serde::{Serialize, de::DeserializeOwned};

/// The largest payload of one record. It leaves room for a 5 MiB publish bundle.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(super) const HEADER_BYTES: usize = 16;
const MAGIC: [u8; 2] = *b"fp";
const FORMAT_VERSION: u8 = 1;

/// Which part's record this is, and the version of its shape. Numbers are
/// given out by the parts and never used again for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub number: u16,
    pub version: u16,
}

/// One value with its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub kind: Kind,
    pub payload: Vec<u8>,
}

/// A type that is stored as JSON under one kind. A reader accepts every version
/// up to its own, so new fields need a serde default; a newer one is refused.
pub trait Stored: Serialize + DeserializeOwned {
    const KIND: Kind;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Inline,
    Chunked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub layout: Layout,
    pub kind: Kind,
    pub payload_bytes: u32,
    pub checksum: u32,
}

impl Header {
    /// The header for this payload. The caller has checked [`RECORD_BYTES_MAX`].
    pub fn new(key: &str, layout: Layout, kind: Kind, payload: &[u8]) -> Header {
        let payload_bytes = u32::try_from(payload.len()).expect("RECORD_BYTES_MAX fits in 32 bits");
        let mut header = Header {
            layout,
            kind,
            payload_bytes,
            checksum: 0,
        };
        header.checksum = header.checksum_of(key, payload);
        header
    }

    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..2].copy_from_slice(&MAGIC);
        bytes[2] = FORMAT_VERSION;
        bytes[3] = match self.layout {
            Layout::Inline => 0,
            Layout::Chunked => 1,
        };
        bytes[4..6].copy_from_slice(&self.kind.number.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.kind.version.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    /// Splits stored bytes into header and rest, without looking at the checksum.
    pub fn decode(stored: &[u8]) -> Result<(Header, &[u8]), &'static str> {
        let (head, rest) = stored
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or("shorter than a header")?;
        if head[0..2] != MAGIC {
            return Err("does not start like a record");
        }
        if head[2] != FORMAT_VERSION {
            return Err("unknown format version");
        }
        let layout = match head[3] {
            0 => Layout::Inline,
            1 => Layout::Chunked,
            _ => return Err("unknown layout"),
        };
        let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let long =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let header = Header {
            layout,
            kind: Kind {
                number: short(4),
                version: short(6),
            },
            payload_bytes: long(8),
            checksum: long(12),
        };
        Ok((header, rest))
    }

    /// Turns a payload into a record, if it is the one that was written.
    pub fn verify(&self, key: &str, payload: Vec<u8>) -> Result<Record, &'static str> {
        if payload.len() != self.payload_bytes as usize {
            return Err("wrong length");
        }
        if self.checksum != self.checksum_of(key, &payload) {
            return Err("wrong checksum");
        }
        Ok(Record {
            kind: self.kind,
            payload,
        })
    }

    fn checksum_of(&self, key: &str, payload: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(key.as_bytes());
        hasher.update(&self.encode()[..12]);
        hasher.update(payload);
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIND: Kind = Kind {
        number: 7,
        version: 2,
    };

    fn stored(key: &str, payload: &[u8]) -> Vec<u8> {
        let header = Header::new(key, Layout::Inline, KIND, payload);
        [&header.encode()[..], payload].concat()
    }

    fn read(key: &str, stored: &[u8]) -> Result<Record, &'static str> {
        let (header, rest) = Header::decode(stored)?;
        header.verify(key, rest.to_vec())
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        for payload in [&b""[..], b"x", &[0; 5000]] {
            let record = read("a/b", &stored("a/b", payload)).unwrap();
            assert_eq!(record.kind, KIND);
            assert_eq!(record.payload, payload);
        }
    }

    #[test]
    fn a_record_under_another_key_is_refused() {
        assert_eq!(read("a/c", &stored("a/b", b"hello")), Err("wrong checksum"));
    }

    proptest! {
        #[test]
        fn no_flipped_bit_goes_unnoticed(payload in proptest::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = stored("key", &payload);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(read("key", &bytes).is_err());
        }

        #[test]
        fn a_cut_record_is_refused(payload in proptest::collection::vec(any::<u8>(), 0..200), keep: prop::sample::Index) {
            let bytes = stored("key", &payload);
            prop_assert!(read("key", &bytes[..keep.index(bytes.len())]).is_err());
        }
    }
}
