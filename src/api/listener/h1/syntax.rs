//! The parts that requests of HTTP/1 consist of, and which bytes may be in them. Pure;
//! it must not know where in a request a part stands.

use super::Violation::{self, Malformed};

/// The first line without its end; none if that is still to come.
pub fn line(bytes: &[u8]) -> Result<Option<&[u8]>, Violation> {
    // Every byte is looked at again when more come, but a head has few pieces.
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'\r' => match bytes.get(index + 1) {
                Some(b'\n') => return Ok(Some(&bytes[..index])),
                Some(_) => return Err(Malformed("CR without LF")),
                None => return Ok(None),
            },
            b'\n' => return Err(Malformed("LF without CR")),
            b'\t' | b' '..=b'~' | 0x80.. => {}
            _ => return Err(Malformed("a control character")),
        }
    }
    Ok(None)
}

/// A field's name and its value without the space around it.
pub fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.ok_or(Malformed("a field has no colon"))?);
    if name.is_empty() || !name.iter().all(is_token) {
        return Err(Malformed("the name of a field is no token"));
    }
    Ok((name, value[1..].trim_ascii()))
}

pub fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..))
}

/// What most targets consist of, and every reader takes.
pub fn is_usual(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~%?&=+,;:@!$*".contains(byte)
}

/// RFC 9110, section 5.6.2.
pub fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// A host and perhaps a port; empty is legal where there is no authority.
pub fn is_host(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(byte))
}

/// Of a target in absolute form.
pub fn authority(target: &[u8]) -> Option<&[u8]> {
    let scheme = target.windows(3).position(|three| three == b"://")?;
    if !target[..scheme].eq_ignore_ascii_case(b"http")
        && !target[..scheme].eq_ignore_ascii_case(b"https")
    {
        return None;
    }
    let rest = &target[scheme + 3..];
    let end = rest.iter().position(|byte| b"/?".contains(byte));
    Some(&rest[..end.unwrap_or(rest.len())])
}
