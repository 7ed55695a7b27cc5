//! `native.headerName` and `native.headerValue`: what may stand in a header
//! (RFC 9110 section 5, Fetch Standard section 2.2). In Rust, since most answers
//! set a header and a regular expression of QuickJS is slow to start.

use super::text::Text;
use rquickjs::{Ctx, Exception, Object, Result, prelude::Func};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("headerName", Func::from(name))?;
    native.set("headerValue", Func::from(value))
}

/// The name in lower case; a TypeError when it is not a token.
fn name(ctx: Ctx<'_>, name: Text) -> Result<String> {
    let mut name = name.0;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Exception::throw_type(&ctx, &format!("{name:?} is not a header name")));
    }
    name.make_ascii_lowercase();
    Ok(name)
}

/// The value without white space around it; a TypeError when it has a character
/// that no header can have.
fn value(ctx: Ctx<'_>, value: Text) -> Result<String> {
    let trimmed = value.0.trim_matches(['\t', '\n', '\r', ' ']);
    if let Some(bad) = trimmed.chars().find(|one| matches!(one, '\0' | '\n' | '\r') || u32::from(*one) > 0xFF) {
        let message = match bad {
            '\0' | '\n' | '\r' => "a header value cannot have NUL or line breaks".to_owned(),
            wide => format!("a header value cannot have {wide:?}, which is above U+00FF; encode it first"),
        };
        return Err(Exception::throw_type(&ctx, &message));
    }
    Ok(trimmed.to_owned())
}
