//! One record of an export on the wire; see [`super::export`] for the format.

use std::io::{self, Read, Write};

use super::{KEY_BYTES_MAX, Kind, RECORD_BYTES_MAX, Record};

const RECORD_TAG: u8 = 0x01;
const END_TAG: u8 = 0xff;
/// Key length, payload length, kind, kind version.
const FIXED_BYTES: usize = 4 + 4 + 2 + 2;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Record { key: String, record: Record },
    End { records: u64 },
}

pub(super) fn write_record(writer: &mut impl Write, key: &str, record: &Record) -> io::Result<()> {
    let too_long = |_| io::Error::other("a length does not fit in 32 bits");
    let mut frame = Vec::with_capacity(1 + FIXED_BYTES + key.len() + record.payload.len() + 4);
    frame.push(RECORD_TAG);
    frame.extend_from_slice(&u32::try_from(key.len()).map_err(too_long)?.to_le_bytes());
    let payload_bytes = u32::try_from(record.payload.len()).map_err(too_long)?;
    frame.extend_from_slice(&payload_bytes.to_le_bytes());
    frame.extend_from_slice(&record.kind.number.to_le_bytes());
    frame.extend_from_slice(&record.kind.version.to_le_bytes());
    frame.extend_from_slice(key.as_bytes());
    frame.extend_from_slice(&record.payload);
    let checksum = crc32fast::hash(&frame);
    frame.extend_from_slice(&checksum.to_le_bytes());
    writer.write_all(&frame)
}

pub(super) fn write_end(writer: &mut impl Write, records: u64) -> io::Result<()> {
    writer.write_all(&[END_TAG])?;
    writer.write_all(&records.to_le_bytes())
}

/// Reads the next frame. Nothing is allocated for a length that cannot be true.
pub(super) fn read(reader: &mut impl Read) -> Result<Frame, String> {
    let [tag] = take(reader)?;
    match tag {
        RECORD_TAG => read_record(reader),
        END_TAG => Ok(Frame::End {
            records: u64::from_le_bytes(take(reader)?),
        }),
        _ => Err(format!("there is no frame of type {tag:#04x}")),
    }
}

fn read_record(reader: &mut impl Read) -> Result<Frame, String> {
    let fixed: [u8; FIXED_BYTES] = take(reader)?;
    let long = |at: usize| {
        u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]) as usize
    };
    let short = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
    let (key_bytes, payload_bytes) = (long(0), long(4));
    if key_bytes > KEY_BYTES_MAX || payload_bytes > RECORD_BYTES_MAX {
        return Err("a record is longer than any record can be".to_owned());
    }
    let mut body = vec![0; key_bytes + payload_bytes];
    reader.read_exact(&mut body).map_err(cut)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[RECORD_TAG]);
    hasher.update(&fixed);
    hasher.update(&body);
    if hasher.finalize() != u32::from_le_bytes(take(reader)?) {
        return Err("a record does not match its checksum".to_owned());
    }
    let payload = body.split_off(key_bytes);
    let key = String::from_utf8(body).map_err(|_| "a key is not UTF-8".to_owned())?;
    let kind = Kind {
        number: short(8),
        version: short(10),
    };
    Ok(Frame::Record {
        key,
        record: Record { kind, payload },
    })
}

fn take<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(cut)?;
    Ok(bytes)
}

fn cut(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_were() {
        let record = Record {
            kind: Kind {
                number: 3,
                version: 4,
            },
            payload: vec![9; 1000],
        };
        let mut bytes = Vec::new();
        write_record(&mut bytes, "a/b", &record).unwrap();
        write_end(&mut bytes, 1).unwrap();
        let mut reader = &bytes[..];
        let key = "a/b".to_owned();
        assert_eq!(read(&mut reader), Ok(Frame::Record { key, record }));
        assert_eq!(read(&mut reader), Ok(Frame::End { records: 1 }));
        assert_eq!(read(&mut reader), Err("it ends too early".to_owned()));
    }

    #[test]
    fn an_impossible_length_is_refused_before_it_is_allocated() {
        let mut bytes = vec![RECORD_TAG];
        bytes.extend_from_slice(&3u32.to_le_bytes());
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        assert!(
            read(&mut &bytes[..])
                .unwrap_err()
                .contains("longer than any")
        );
    }
}
