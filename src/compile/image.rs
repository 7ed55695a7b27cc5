//! A memory image: what the engine's linear memory held when the script was
//! loaded, as data segments. Zeros are left out; they are what memory starts as.

use wasm_encoder::{
    ConstExpr, DataSection, ExportKind, ExportSection, MemorySection, MemoryType, Module,
};

/// The name under which a module of an image exports its memory.
pub const IMAGE_MEMORY: &str = "memory";

/// A run of bytes that is not all zeros, and where it lies.
pub struct Segment<'a> {
    pub offset: u32,
    pub bytes: &'a [u8],
}

/// So many zeros in a row end a segment of a handler: a segment's own header takes
/// about ten bytes, and there are thousands of short runs in a heap.
pub const ZEROS_MIN: usize = 16;

/// The segments of an image, in order; so many zeros in a row end one.
pub fn segments(image: &[u8], zeros_min: usize) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let mut start = zeros_until(image, 0);
    while start < image.len() {
        // The byte behind the last one that is not zero.
        let mut end = start + 1;
        let next = loop {
            let at = end + run_of_bytes(&image[end..]);
            let next = zeros_until(image, at);
            end = at;
            if next == image.len() || next - end >= zeros_min {
                break next;
            }
            end = next;
        };
        // A 32-bit memory has no offset that does not fit.
        segments.push(Segment {
            offset: start as u32,
            bytes: &image[start..end],
        });
        start = next;
    }
    segments
}

/// Where the zeros that begin here end.
fn zeros_until(image: &[u8], from: usize) -> usize {
    const WORD: usize = size_of::<u64>();
    let (words, _) = image[from..].as_chunks::<WORD>();
    let zeros = words.iter().position(|word| u64::from_ne_bytes(*word) != 0);
    let at = from + zeros.unwrap_or(words.len()) * WORD;
    let rest = image[at..].iter().position(|byte| *byte != 0);
    rest.map_or(image.len(), |rest| at + rest)
}

/// How many bytes there are before the next zero.
fn run_of_bytes(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len())
}

/// How many pages of 64 KiB a memory has.
pub fn pages(memory: &[u8]) -> u64 {
    memory.len() as u64 / 65_536
}

/// A module that defines and exports a memory of this content, and nothing else.
pub fn module(image: &[u8]) -> Vec<u8> {
    let mut data = DataSection::new();
    for segment in segments(image, ZEROS_MIN) {
        segment.encode(&mut data);
    }
    let mut module = empty_module(pages(image));
    module.section(&data);
    module.finish()
}

/// The same without data.
pub fn empty_module(pages: u64) -> Module {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: pages,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export(IMAGE_MEMORY, ExportKind::Memory, 0);
    let mut module = Module::new();
    module.section(&memories).section(&exports);
    module
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
        fn segments_rebuild_the_image(runs in prop::collection::vec((0usize..200, any::<u8>(), 0usize..5), 0..40), zeros_min in 1usize..70) {
            let mut image = Vec::new();
            for (zeros, byte, length) in runs {
                image.extend(std::iter::repeat_n(0, zeros));
                image.extend(std::iter::repeat_n(byte, length));
            }
            let mut rebuilt = vec![0; image.len()];
            let mut last_end = 0;
            for segment in segments(&image, zeros_min) {
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
