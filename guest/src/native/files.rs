//! `native.fs*`: one host call each, for `fs`.

use super::failure;
use crate::bindings::footpath::host::files;
use rquickjs::{Array, Ctx, Object, Result, prelude::Func};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("fsExists", Func::from(exists))?;
    native.set("fsRead", Func::from(read))?;
    native.set("fsWrite", Func::from(write))?;
    native.set("fsList", Func::from(list))?;
    native.set("fsStat", Func::from(stat))?;
    native.set("fsDelete", Func::from(delete))?;
    native.set("fsMkdir", Func::from(mkdir))
}

fn check<T>(ctx: &Ctx<'_>, result: std::result::Result<T, files::Error>) -> Result<T> {
    result.map_err(|error| {
        let message = match error.position {
            Some(position) if !error.message.contains(&position) => format!("{position}: {}", error.message),
            _ => error.message,
        };
        failure(ctx, &error.code, &message, None)
    })
}

fn exists(ctx: Ctx<'_>, path: String) -> Result<bool> {
    check(&ctx, files::exists(&path))
}

fn read(ctx: Ctx<'_>, path: String) -> Result<String> {
    check(&ctx, files::read(&path))
}

/// The id of a draft, or null.
fn write(
    ctx: Ctx<'_>,
    path: String,
    text: String,
    append: bool,
    if_not_exists: bool,
    overwrite: bool,
) -> Result<Option<String>> {
    let options = files::Options { append, if_not_exists, overwrite };
    check(&ctx, files::write(&path, &text, options))
}

/// `[{ name, size, modified, directory }]`.
fn list(ctx: Ctx<'_>, path: String) -> Result<Array<'_>> {
    let list = Array::new(ctx.clone())?;
    for (index, entry) in check(&ctx, files::entries(&path))?.into_iter().enumerate() {
        let object = described(&ctx, &entry.metadata)?;
        object.set("name", entry.name)?;
        list.set(index, object)?;
    }
    Ok(list)
}

fn stat(ctx: Ctx<'_>, path: String) -> Result<Object<'_>> {
    let stat = check(&ctx, files::stat(&path))?;
    described(&ctx, &stat)
}

fn described<'js>(ctx: &Ctx<'js>, stat: &files::Metadata) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("size", stat.size as f64)?;
    object.set("modified", stat.modified_ms as f64)?;
    object.set("directory", stat.directory)?;
    Ok(object)
}

fn delete(ctx: Ctx<'_>, path: String) -> Result<()> {
    check(&ctx, files::remove(&path))
}

fn mkdir(ctx: Ctx<'_>, path: String) -> Result<()> {
    check(&ctx, files::mkdir(&path))
}
