//! Text and bytes (Encoding Standard): UTF-8, UTF-16LE and windows-1252, which
//! the Web calls latin1. JavaScript strings may hold lone surrogates; crossing
//! into Rust turns each into U+FFFD.

use rquickjs::{
    Array, Ctx, Error, Exception, FromJs, Object, Result, TypedArray, Value, prelude::Func, qjs,
};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("utf8Encode", Func::from(utf8_encode))?;
    native.set("utf8EncodeInto", Func::from(utf8_encode_into))?;
    native.set("utf8Decode", Func::from(utf8_decode))?;
    native.set("utf8Tail", Func::from(utf8_tail))?;
    native.set("utf16Decode", Func::from(utf16_decode))?;
    native.set("latin1Decode", Func::from(latin1_decode))?;
    native.set("isIdentifier", Func::from(is_identifier))
}

/// A string argument as UTF-8.
pub struct Text(pub String);

impl<'js> FromJs<'js> for Text {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        let mut length = 0;
        // SAFETY: the value lives through the call; the C string is copied before
        // it is freed.
        let bytes = unsafe {
            let start = qjs::JS_ToCStringLen(ctx.as_raw().as_ptr(), &mut length, value.as_raw());
            if start.is_null() {
                return Err(Error::Exception);
            }
            let bytes = std::slice::from_raw_parts(start.cast::<u8>(), length as usize).to_vec();
            qjs::JS_FreeCString(ctx.as_raw().as_ptr(), start);
            bytes
        };
        Ok(Self(String::from_utf8(bytes).unwrap_or_else(|error| replace_surrogates(error.into_bytes()))))
    }
}

/// QuickJS writes a lone surrogate as the three bytes ED A0..BF xx, which are the
/// only ones that are not UTF-8; U+FFFD has three bytes as well.
fn replace_surrogates(mut bytes: Vec<u8>) -> String {
    for at in 0..bytes.len().saturating_sub(2) {
        if bytes[at] == 0xED && bytes[at + 1] >= 0xA0 {
            bytes[at..at + 3].copy_from_slice("\u{FFFD}".as_bytes());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The bytes of an array that is not detached.
pub fn bytes<'a>(array: &'a TypedArray<'_, u8>) -> &'a [u8] {
    array.as_bytes().unwrap_or_default()
}

fn utf8_encode<'js>(ctx: Ctx<'js>, text: Text) -> Result<TypedArray<'js, u8>> {
    TypedArray::new(ctx, text.0.into_bytes())
}

/// Fills the array with whole characters; gives the UTF-16 units read and the
/// bytes written.
fn utf8_encode_into<'js>(text: Text, target: TypedArray<'js, u8>) -> Result<Vec<u32>> {
    let (room, start) = match target.as_raw() {
        Some(raw) => (raw.len, raw.ptr.as_ptr()),
        None => return Ok(vec![0, 0]),
    };
    let (mut read, mut written) = (0, 0);
    for character in text.0.chars() {
        if written + character.len_utf8() > room {
            break;
        }
        read += character.len_utf16();
        written += character.len_utf8();
    }
    // SAFETY: `written` is within the array, and the text is no part of it.
    unsafe { std::ptr::copy_nonoverlapping(text.0.as_ptr(), start, written) };
    Ok(vec![read as u32, written as u32])
}

/// The text; a TypeError for bytes that are not UTF-8 when `fatal`, else U+FFFD
/// in their place.
fn utf8_decode<'js>(ctx: Ctx<'js>, data: TypedArray<'js, u8>, fatal: bool) -> Result<rquickjs::String<'js>> {
    let text = match (std::str::from_utf8(bytes(&data)), fatal) {
        (Ok(text), _) => return rquickjs::String::from_str(ctx, text),
        (Err(_), false) => String::from_utf8_lossy(bytes(&data)),
        (Err(error), true) => {
            let at = error.valid_up_to();
            return Err(Exception::throw_type(&ctx, &format!("the bytes are not UTF-8 (at byte {at})")));
        }
    };
    rquickjs::String::from_str(ctx, &text)
}

/// How many bytes at the end are the beginning of a character (0 to 3).
fn utf8_tail(data: TypedArray<'_, u8>) -> u32 {
    let data = bytes(&data);
    for back in 1..=data.len().min(3) {
        let end = &data[data.len() - back..];
        if end[0] & 0xC0 != 0x80 {
            // `error_len` is none exactly when more bytes could complete it.
            let incomplete = std::str::from_utf8(end).is_err_and(|error| error.error_len().is_none());
            return if incomplete { back as u32 } else { 0 };
        }
    }
    0
}

/// Little endian; an odd last byte is malformed.
fn utf16_decode<'js>(ctx: Ctx<'js>, data: TypedArray<'js, u8>, fatal: bool) -> Result<rquickjs::String<'js>> {
    let data = bytes(&data);
    let units = data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let mut malformed = false;
    let mut text: String = char::decode_utf16(units)
        .map(|character| {
            malformed |= character.is_err();
            character.unwrap_or(char::REPLACEMENT_CHARACTER)
        })
        .collect();
    if data.len() % 2 == 1 {
        malformed = true;
        text.push(char::REPLACEMENT_CHARACTER);
    }
    if fatal && malformed {
        return Err(Exception::throw_type(&ctx, "the bytes are not UTF-16LE"));
    }
    rquickjs::String::from_str(ctx, &text)
}

/// What windows-1252 has where ISO-8859-1 has control characters 80 to 9F.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

/// `web` selects windows-1252; without it each byte is the character of its number.
fn latin1_decode<'js>(ctx: Ctx<'js>, data: TypedArray<'js, u8>, web: bool) -> Result<rquickjs::String<'js>> {
    let text: String = bytes(&data)
        .iter()
        .map(|byte| match byte {
            0x80..=0x9F if web => WINDOWS_1252[usize::from(*byte) - 0x80],
            byte => char::from(*byte),
        })
        .collect();
    rquickjs::String::from_str(ctx, &text)
}

/// Whether a property's name can stand without quotes; ASCII only.
fn is_identifier(name: Text) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
    !name.0.is_empty() && name.0.bytes().all(fits) && !name.0.as_bytes()[0].is_ascii_digit()
}

/// Name, value, name, value …
pub fn flat<'js>(ctx: &Ctx<'js>, pairs: impl Iterator<Item = (String, String)>) -> Result<Array<'js>> {
    let flat = Array::new(ctx.clone())?;
    for (index, (name, value)) in pairs.enumerate() {
        flat.set(2 * index, name)?;
        flat.set(2 * index + 1, value)?;
    }
    Ok(flat)
}
