//! `native.kv*` and `native.shared*`: one host call each; a host error becomes an
//! exception whose message starts with its name and a colon.

use crate::bindings::footpath::host::{kv, shared_state};
use rquickjs::{Array, Ctx, Exception, IntoJs, Null, Object, Result, TypedArray, Value, prelude::{Func, Opt}};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("kvGet", Func::from(get))?;
    native.set("kvSet", Func::from(set))?;
    native.set("kvDelete", Func::from(delete))?;
    native.set("kvList", Func::from(list))?;
    native.set("kvIncrement", Func::from(increment))?;
    native.set("kvCompareAndSet", Func::from(compare_and_set))?;
    native.set("sharedLoad", Func::from(shared_load))?;
    native.set("sharedStore", Func::from(shared_store))
}

fn check<T>(ctx: &Ctx<'_>, result: std::result::Result<T, kv::Error>) -> Result<T> {
    result.map_err(|error| {
        let message = match error {
            kv::Error::TooLarge(what) => format!("TooLarge: {what}"),
            kv::Error::NotANumber => "NotANumber: the stored value is not a number".to_owned(),
            kv::Error::Unavailable(why) => format!("Unavailable: {why}"),
        };
        Exception::throw_message(ctx, &message)
    })
}

fn bytes(array: &TypedArray<'_, u8>) -> Vec<u8> {
    array.as_bytes().unwrap_or_default().to_vec()
}

fn get<'js>(ctx: Ctx<'js>, key: String) -> Result<Value<'js>> {
    match check(&ctx, kv::get(&key))? {
        Some(value) => TypedArray::new(ctx, value).map(TypedArray::into_value),
        None => Null.into_js(&ctx),
    }
}

fn set(ctx: Ctx<'_>, key: String, value: TypedArray<'_, u8>) -> Result<()> {
    check(&ctx, kv::set(&key, &bytes(&value)))
}

fn delete(ctx: Ctx<'_>, key: String) -> Result<bool> {
    check(&ctx, kv::delete(&key))
}

/// `{ keys, cursor }`, the cursor null at the end.
fn list<'js>(ctx: Ctx<'js>, prefix: String, cursor: Opt<Option<String>>, limit: Opt<u32>) -> Result<Object<'js>> {
    let page = check(&ctx, kv::list(&prefix, cursor.0.flatten().as_deref(), limit.0.unwrap_or(1000)))?;
    let object = Object::new(ctx)?;
    object.set("keys", page.keys)?;
    object.set("cursor", page.cursor)?;
    Ok(object)
}

/// Numbers cross as decimal text: a double cannot hold 64 bits.
fn increment(ctx: Ctx<'_>, key: String, by: String) -> Result<String> {
    let by = by
        .parse()
        .map_err(|_| Exception::throw_range(&ctx, "kv.increment: not a whole number of 64 bits"))?;
    check(&ctx, kv::increment(&key, by)).map(|sum| sum.to_string())
}

fn compare_and_set<'js>(
    ctx: Ctx<'js>,
    key: String,
    expected: Option<TypedArray<'js, u8>>,
    new: Option<TypedArray<'js, u8>>,
) -> Result<bool> {
    let expected = expected.as_ref().map(bytes);
    let new = new.as_ref().map(bytes);
    check(&ctx, kv::compare_and_set(&key, expected.as_deref(), new.as_deref()))
}

/// Key, JSON text, key, JSON text …
fn shared_load(ctx: Ctx<'_>) -> Result<Array<'_>> {
    let flat = Array::new(ctx)?;
    for (index, (key, json)) in shared_state::load().into_iter().enumerate() {
        flat.set(2 * index, key)?;
        flat.set(2 * index + 1, json)?;
    }
    Ok(flat)
}

/// The same form; a null instead of JSON text deletes the key.
fn shared_store(ctx: Ctx<'_>, flat: Vec<Option<String>>) -> Result<()> {
    let changes: Vec<(String, Option<String>)> = flat
        .chunks_exact(2)
        .map(|pair| (pair[0].clone().unwrap_or_default(), pair[1].clone()))
        .collect();
    shared_state::store(&changes).map_err(|shared_state::Error::TooLarge(size)| {
        let message = format!("TooLarge: shared would be {size} bytes of JSON; the limit is 1 MiB");
        Exception::throw_message(&ctx, &message)
    })
}
