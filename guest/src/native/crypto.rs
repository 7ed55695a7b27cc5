//! `native.digest` and `native.hmac`, over the RustCrypto crates. Algorithm names
//! are those of Web Crypto; JavaScript has checked them.

use super::text::bytes;
use hmac::{Hmac, KeyInit, Mac};
use rquickjs::{Ctx, Exception, Object, Result, TypedArray, prelude::Func};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("digest", Func::from(digest))?;
    native.set("hmac", Func::from(hmac))?;
    native.set("hmacVerify", Func::from(hmac_verify))
}

fn unknown(ctx: &Ctx<'_>, name: &str) -> rquickjs::Error {
    Exception::throw_type(ctx, &format!("{name} is not a hash"))
}

fn digest<'js>(ctx: Ctx<'js>, name: String, data: TypedArray<'js, u8>) -> Result<TypedArray<'js, u8>> {
    let data = bytes(&data);
    let hash = match name.as_str() {
        "SHA-1" => Sha1::digest(data).to_vec(),
        "SHA-256" => Sha256::digest(data).to_vec(),
        "SHA-384" => Sha384::digest(data).to_vec(),
        "SHA-512" => Sha512::digest(data).to_vec(),
        _ => return Err(unknown(&ctx, &name)),
    };
    TypedArray::new(ctx, hash)
}

/// HMAC (RFC 2104) takes keys of any length, so making one cannot fail.
fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Option<M> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    mac.update(data);
    Some(mac)
}

fn sign<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    Some(mac::<M>(key, data)?.finalize().into_bytes().to_vec())
}

/// Takes the same time wherever the two differ.
fn verify<M: Mac + KeyInit>(key: &[u8], data: &[u8], signature: &[u8]) -> Option<bool> {
    Some(mac::<M>(key, data)?.verify_slice(signature).is_ok())
}

fn hmac<'js>(
    ctx: Ctx<'js>,
    name: String,
    key: TypedArray<'js, u8>,
    data: TypedArray<'js, u8>,
) -> Result<TypedArray<'js, u8>> {
    let (key, data) = (bytes(&key), bytes(&data));
    let signature = match name.as_str() {
        "SHA-1" => sign::<Hmac<Sha1>>(key, data),
        "SHA-256" => sign::<Hmac<Sha256>>(key, data),
        "SHA-384" => sign::<Hmac<Sha384>>(key, data),
        "SHA-512" => sign::<Hmac<Sha512>>(key, data),
        _ => None,
    };
    let signature = signature.ok_or_else(|| unknown(&ctx, &name))?;
    TypedArray::new(ctx, signature)
}

fn hmac_verify<'js>(
    ctx: Ctx<'js>,
    name: String,
    key: TypedArray<'js, u8>,
    signature: TypedArray<'js, u8>,
    data: TypedArray<'js, u8>,
) -> Result<bool> {
    let (key, signature, data) = (bytes(&key), bytes(&signature), bytes(&data));
    let same = match name.as_str() {
        "SHA-1" => verify::<Hmac<Sha1>>(key, data, signature),
        "SHA-256" => verify::<Hmac<Sha256>>(key, data, signature),
        "SHA-384" => verify::<Hmac<Sha384>>(key, data, signature),
        "SHA-512" => verify::<Hmac<Sha512>>(key, data, signature),
        _ => None,
    };
    same.ok_or_else(|| unknown(&ctx, &name))
}
