//! A memory image: what the engine's linear memory held when the script was
//! loaded, as data segments. Zeros are left out; they are what memory starts as.

use wasm_encoder::{ConstExpr, DataSection};

/// A run of bytes that is not all zeros, and where it lies.
pub struct Segment<'a> {
    pub offset: u32,
    pub bytes: &'a [u8],
}

/// So many zeros in a row end a segment: a segment's own header takes about as
/// much, and fewer segments link faster.
const ZEROS_MIN: usize = 64;

/// What is looked at together.
const CHUNK_BYTES: usize = 256;

/// The segments of an image, in order.
pub fn segments(image: &[u8]) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(start) = next_used(image, at) {
        let mut end = start + 1;
        let mut zeros = 0;
        while end + zeros < image.len() && zeros < ZEROS_MIN {
            if image[end + zeros] == 0 {
                zeros += 1;
            } else {
                end += zeros + 1;
                zeros = 0;
            }
        }
        // A 32-bit memory has no offset that does not fit.
        segments.push(Segment {
            offset: start as u32,
            bytes: &image[start..end],
        });
        at = end;
    }
    segments
}

/// The next byte that is not zero. Most of a memory is zeros, so they are passed over
/// many at a time.
fn next_used(image: &[u8], from: usize) -> Option<usize> {
    let rest = image.get(from..)?;
    let is_used = |chunk: &[u8]| chunk.iter().fold(0, |any, byte| any | byte) != 0;
    let chunk = rest.chunks(CHUNK_BYTES).position(is_used)? * CHUNK_BYTES;
    let skip = rest[chunk..].iter().position(|byte| *byte != 0)?;
    Some(from + chunk + skip)
}

impl Segment<'_> {
    pub fn encode(&self, data: &mut DataSection) {
        data.active(
            0,
            &ConstExpr::i32_const(self.offset as i32),
            self.bytes.iter().copied(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn segments_rebuild_the_image(runs in prop::collection::vec((0usize..200, any::<u8>(), 0usize..5), 0..40)) {
            let mut image = Vec::new();
            for (zeros, byte, length) in runs {
                image.extend(std::iter::repeat_n(0, zeros));
                image.extend(std::iter::repeat_n(byte, length));
            }
            let mut rebuilt = vec![0; image.len()];
            let mut last_end = 0;
            for segment in segments(&image) {
                let start = segment.offset as usize;
                prop_assert!(start >= last_end);
                prop_assert!(segment.bytes[0] != 0 && *segment.bytes.last().unwrap() != 0);
                last_end = start + segment.bytes.len();
                rebuilt[start..last_end].copy_from_slice(segment.bytes);
            }
            prop_assert_eq!(rebuilt, image);
        }
    }
}
