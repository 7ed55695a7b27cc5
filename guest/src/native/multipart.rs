//! `native.multipartParse`: splits a `multipart/form-data` body (RFC 7578).

use super::text::bytes;
use rquickjs::{Array, Ctx, Exception, IntoJs, Object, Result, TypedArray, prelude::Func};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("multipartParse", Func::from(parse))
}

/// `[name, filename or undefined, type or undefined, bytes]` for each part, in order. A
/// TypeError when the body is not whole.
fn parse<'js>(ctx: Ctx<'js>, body: TypedArray<'js, u8>, boundary: String) -> Result<Array<'js>> {
    let list = Array::new(ctx.clone())?;
    let parts = split(bytes(&body), boundary.as_bytes())
        .map_err(|why| Exception::throw_type(&ctx, &format!("the multipart body is malformed: {why}")))?;
    for (index, part) in parts.into_iter().enumerate() {
        let row = Array::new(ctx.clone())?;
        row.set(0, part.name)?;
        row.set(1, part.filename)?;
        row.set(2, part.content_type)?;
        row.set(3, TypedArray::<u8>::new(ctx.clone(), part.data)?.into_js(&ctx)?)?;
        list.set(index, row)?;
    }
    Ok(list)
}

struct Part<'a> {
    name: String,
    filename: Option<String>,
    content_type: Option<String>,
    data: &'a [u8],
}

fn split<'a>(body: &'a [u8], boundary: &[u8]) -> std::result::Result<Vec<Part<'a>>, &'static str> {
    let delimiter = [b"--", boundary].concat();
    let between = [b"\r\n--", boundary].concat();
    // What stands before the first delimiter means nothing.
    let mut rest = if body.starts_with(&delimiter) {
        &body[delimiter.len()..]
    } else {
        let start = find(body, &between).ok_or("no boundary")?;
        &body[start + between.len()..]
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let line_end = find(rest, b"\r\n").ok_or("no line end after a boundary")?;
        if rest[..line_end].iter().any(|byte| !matches!(byte, b' ' | b'\t')) {
            return Err("text after a boundary");
        }
        // A part without headers has its empty line at once.
        let head = &rest[line_end..];
        let head_end = find(head, b"\r\n\r\n").ok_or("no empty line after a part's headers")?;
        let content = &head[head_end + 4..];
        let end = find(content, &between).ok_or("no final boundary")?;
        parts.push(part(&head[..head_end], &content[..end])?);
        rest = &content[end + between.len()..];
    }
    Ok(parts)
}

fn part<'a>(head: &[u8], data: &'a [u8]) -> std::result::Result<Part<'a>, &'static str> {
    let head = String::from_utf8_lossy(head);
    let (mut name, mut filename, mut content_type) = (None, None, None);
    for line in head.split("\r\n") {
        let Some((header, value)) = line.split_once(':') else { continue };
        if header.trim().eq_ignore_ascii_case("content-disposition") {
            name = parameter(value, "name");
            filename = parameter(value, "filename");
        } else if header.trim().eq_ignore_ascii_case("content-type") {
            content_type = Some(value.trim().to_owned());
        }
    }
    let name = name.ok_or("a part without a name")?;
    Ok(Part { name, filename, content_type, data })
}

/// `; key="value"`: browsers write `%22`, `%0D` and `%0A` for the three characters
/// that cannot stand between the quotes.
fn parameter(header: &str, key: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once(';') {
        rest = after.trim_start();
        let Some((found, value)) = rest.split_once('=') else { continue };
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        if found.trim().eq_ignore_ascii_case(key) {
            return Some(value.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"));
        }
        rest = after;
    }
    None
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = haystack.get(from..)?.iter().position(|byte| *byte == first) {
        let start = from + at;
        if haystack[start..].starts_with(needle) {
            return Some(start);
        }
        from = start + 1;
    }
    None
}
