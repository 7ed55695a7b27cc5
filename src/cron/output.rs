//! What a run keeps of an output: its first and its last bytes, and how many there were.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Of the beginning and of the end each.
pub const OUTPUT_BYTES_KEPT: usize = 4096;

/// An output that is still growing.
#[derive(Debug, Default)]
pub struct Capture {
    first: Vec<u8>,
    last: VecDeque<u8>,
    bytes: u64,
}

/// The kept parts. Together they are the whole output if `bytes` says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    pub first: String,
    pub last: String,
    /// Of the whole output.
    pub bytes: u64,
}

impl Capture {
    pub fn add(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let room = OUTPUT_BYTES_KEPT - self.first.len();
        if room > 0 {
            let (head, rest) = bytes.split_at(room.min(bytes.len()));
            self.first.extend_from_slice(head);
            bytes = rest;
        }
        if bytes.len() >= OUTPUT_BYTES_KEPT {
            self.last.clear();
            bytes = &bytes[bytes.len() - OUTPUT_BYTES_KEPT..];
        }
        let over = (self.last.len() + bytes.len()).saturating_sub(OUTPUT_BYTES_KEPT);
        self.last.drain(..over);
        self.last.extend(bytes);
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn output(&self) -> Output {
        let last: Vec<u8> = self.last.iter().copied().collect();
        Output {
            first: String::from_utf8_lossy(&self.first).into_owned(),
            last: String::from_utf8_lossy(&last).into_owned(),
            bytes: self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn the_first_and_the_last_bytes_stay(sizes in proptest::collection::vec(0usize..6000, 0..6)) {
            let mut capture = Capture::default();
            let mut whole = Vec::new();
            for (at, size) in sizes.into_iter().enumerate() {
                let part: Vec<u8> = (0..size).map(|byte| b'a' + ((at + byte) % 26) as u8).collect();
                capture.add(&part);
                whole.extend(part);
            }
            let output = capture.output();
            let kept = OUTPUT_BYTES_KEPT.min(whole.len());
            let rest = (whole.len() - kept).min(OUTPUT_BYTES_KEPT);
            proptest::prop_assert_eq!(output.first.as_bytes(), &whole[..kept]);
            proptest::prop_assert_eq!(output.last.as_bytes(), &whole[whole.len() - rest..]);
            proptest::prop_assert_eq!(output.bytes, whole.len() as u64);
        }
    }
}
