//! The JavaScript half of the engine, from text to evaluated modules. Every
//! handler's image holds what `evaluate` leaves in memory, so compiling happens
//! in an instance of its own that is thrown away: what it gives is bytecode
//! without source text, lines and columns. It must not do I/O.

use crate::native;
use miniz_oxide::{deflate::compress_to_vec, inflate::decompress_to_vec};
use rquickjs::{
    Context, Ctx, Error, Module, Result, Runtime, WriteOptions,
    context::intrinsic,
    loader::{ImportAttributes, Loader, Resolver},
    module::Declared,
};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The module of the prelude that starts everything.
const MAIN: &str = "footpath:main.js";

/// DEFLATE's level 1 to 10; compiling happens once.
const COMPRESSION: u8 = 10;

/// The sources, for whoever packs the engine: it gives them to `engine_compile`.
/// A custom section is no part of the memory, and so of no image.
#[expect(dead_code, reason = "only the packer reads it")]
#[unsafe(link_section = "footpath-prelude")]
static SOURCES: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/prelude.bin")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/prelude.bin"));

/// Compiles the sources. Names and texts go in as `build.rs` writes them, names
/// and bytecode, the latter in DEFLATE, come out in the same form.
pub fn compile(sources: &[u8]) -> Vec<u8> {
    let mut bundle = Vec::new();
    compile_into(&mut bundle, sources).unwrap_or_else(|error| panic!("the prelude does not compile: {error}"));
    bundle
}

fn compile_into(bundle: &mut Vec<u8>, sources: &[u8]) -> Result<()> {
    let runtime = Runtime::new()?;
    runtime.set_loader(Names, Blank);
    let context = Context::custom::<(intrinsic::Eval, intrinsic::RegExpCompiler)>(&runtime)?;
    context.with(|ctx| {
        for (name, text) in entries(sources) {
            let module = Module::declare(ctx.clone(), name, text)
                .unwrap_or_else(|_| panic!("{name}: {:?}", ctx.catch()));
            let stripped = WriteOptions { strip_source: true, strip_debug: true, ..WriteOptions::default() };
            let packed = compress_to_vec(&module.write(stripped)?, COMPRESSION);
            for part in [name.as_bytes(), &packed] {
                bundle.extend((part.len() as u32).to_le_bytes());
                bundle.extend(part);
            }
        }
        Ok(())
    })
}

/// Evaluates a compiled prelude in the context and installs its hooks; once,
/// when the engine is built. The runtime needs its own loader afterwards.
pub fn evaluate(runtime: &Runtime, context: &Context, bundle: Vec<u8>) -> Result<()> {
    for (name, packed) in entries(&bundle) {
        let start = packed.as_ptr() as u32 - bundle.as_ptr() as u32;
        WAITING.0.borrow_mut().insert(name.to_owned(), (start, start + packed.len() as u32));
    }
    *BUNDLE.0.borrow_mut() = bundle;
    runtime.set_loader(Names, Compiled);
    context.with(|ctx| {
        ctx.globals().set("__native", native::object(&ctx)?)?;
        let (main, _) = load(&ctx, MAIN)?.eval()?;
        native::hooks::install(&ctx, &main.namespace()?)?;
        ctx.globals().remove("__native")
    })?;
    wipe(&mut BUNDLE.0.take());
    Ok(())
}

/// Where the bytecode of modules lies that nothing has imported yet, by name:
/// start and end in the bundle. Most Web APIs wait there until they are touched.
struct Waiting(RefCell<BTreeMap<String, (u32, u32)>>);
// SAFETY: a component instance has one thread.
unsafe impl Sync for Waiting {}
static WAITING: Waiting = Waiting(RefCell::new(BTreeMap::new()));

/// The bundle while the engine is built. Later it is no part of the memory but
/// passive data of the engine's code, which all handlers share.
struct Bundle(RefCell<Vec<u8>>);
// SAFETY: a component instance has one thread.
unsafe impl Sync for Bundle {}
static BUNDLE: Bundle = Bundle(RefCell::new(Vec::new()));

#[link(wasm_import_module = "footpath-bytecode")]
unsafe extern "C" {
    /// Copies from the passive data; whoever packs the engine provides it.
    #[link_name = "read"]
    fn read_passive(to: *mut u8, offset: u32, length: u32);
}

/// The bundle's bytes from `start` to `end`.
fn read_bundle(start: u32, end: u32) -> Vec<u8> {
    let bundle = BUNDLE.0.borrow();
    if let Some(bytes) = bundle.get(start as usize..end as usize) {
        return bytes.to_vec();
    }
    let mut bytes = vec![0; (end - start) as usize];
    // SAFETY: there is room for as many bytes as are asked for.
    unsafe { read_passive(bytes.as_mut_ptr(), start, end - start) };
    bytes
}

/// Declares a module that waits, with what it imports.
pub fn load<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    let place = WAITING.0.borrow_mut().remove(name);
    let (start, end) = place.ok_or_else(|| Error::new_loading(name))?;
    let mut packed = read_bundle(start, end);
    let bytecode = decompress_to_vec(&packed);
    let mut bytecode = bytecode.map_err(|error| Error::new_loading_message(name, format!("{error:?}")))?;
    // SAFETY: the bytes come from `Module::write` of this very engine.
    let module = unsafe { Module::load(ctx.clone(), &bytecode) };
    wipe(&mut packed);
    wipe(&mut bytecode);
    module
}

/// Freed memory is part of the image, unless it is zero.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}

/// Whether a name is one of the prelude's.
pub fn owns(name: &str) -> bool {
    name.starts_with("footpath:")
}

/// Names are complete, so resolving is the identity; but the prelude's modules
/// hold the natives, and nobody else may import them.
pub struct Names;

impl Resolver for Names {
    fn resolve<'js>(
        &mut self,
        _: &Ctx<'js>,
        importer: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        if owns(name) && !owns(importer) {
            return Err(Error::new_resolving_message(importer, name, "it belongs to the engine"));
        }
        Ok(name.to_owned())
    }
}

/// Compiling a module asks for what it imports; nothing of it is looked at.
struct Blank;

impl Loader for Blank {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        Module::declare(ctx.clone(), name, "")
    }
}

/// Names and contents, as `build.rs` and `compile` write them.
fn entries(mut bytes: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    std::iter::from_fn(move || Some((str::from_utf8(part(&mut bytes)?).ok()?, part(&mut bytes)?)))
}

/// Takes one length and as many bytes from the front.
fn part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some(part)
}

/// While the prelude is evaluated, only its own modules can be imported.
struct Compiled;

impl Loader for Compiled {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        load(ctx, name)
    }
}
