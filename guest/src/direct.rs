//! The short way of most calls: the handler is called from here and its plain JSON
//! sent, so that none of the engine's own JavaScript runs. It must not decide what
//! results mean: whatever is not plain goes to `js/answer.js`.

use crate::{
    call,
    driver::call_hook,
    native::{hooks::hooks, respond},
    runtime,
};
use rquickjs::{
    Array, Ctx, Function, Object, Persistent, Result, Value, atom::PredefinedAtom, function::Args, qjs,
};
use std::cell::RefCell;

/// Answers the call, if its handler can be called from here. False when nothing
/// has been done yet.
pub fn answer(ctx: &Ctx<'_>) -> bool {
    let prepared = PREPARED.0.borrow();
    let Some(prepared) = prepared.as_ref().filter(|one| one.raw_body || respond::has_no_body()) else { return false };
    if prepared.takes_exchange {
        call::leave_traces();
    }
    match prepared.call(ctx) {
        Ok(result) if prepared.is_plain(ctx, &result) && send(ctx, &result) => {}
        Ok(result) => call_hook(ctx, &hooks().returned, (result,)),
        Err(_) => call_hook(ctx, &hooks().fail, (ctx.catch(),)),
    }
    true
}

/// Keeps what `direct` of `js/answer.js` says: the handler, whether it reads the
/// body itself, and its arguments; or that only the JavaScript half can call it.
pub fn prepare(ctx: &Ctx<'_>) {
    let prepared = Prepared::read(ctx).unwrap_or_else(|error| panic!("direct: {error}: {:?}", ctx.catch()));
    *PREPARED.0.borrow_mut() = prepared;
}

/// Another call begins: the handler gets the `req` and `metadata` of that one.
pub fn refresh(ctx: &Ctx<'_>) {
    let mut prepared = PREPARED.0.borrow_mut();
    let Some(prepared) = prepared.as_mut().filter(|one| one.takes_exchange) else { return };
    let arguments = direct(ctx).and_then(|list| {
        let list = list.expect("whether a handler can be called from here was settled when it was published");
        Ok(save_all(ctx, list.get(2)?))
    });
    prepared.arguments = arguments.unwrap_or_else(|error| panic!("direct: {error}: {:?}", ctx.catch()));
}

/// What `direct` of `js/answer.js` says.
fn direct<'js>(ctx: &Ctx<'js>) -> Result<Option<Array<'js>>> {
    hooks().direct.clone().restore(ctx)?.call(())
}

fn save_all<'js>(ctx: &Ctx<'js>, values: Vec<Value<'js>>) -> Vec<Persistent<Value<'static>>> {
    values.into_iter().map(|one| Persistent::save(ctx, one)).collect()
}

struct Prepared {
    handler: Persistent<Function<'static>>,
    raw_body: bool,
    arguments: Vec<Persistent<Value<'static>>>,
    takes_exchange: bool,
    object_prototype: Persistent<Object<'static>>,
    array_prototype: Persistent<Object<'static>>,
    /// The name `textStream`.
    text_stream: qjs::JSAtom,
}

struct Cell(RefCell<Option<Prepared>>);
// SAFETY: a component instance has one thread.
unsafe impl Sync for Cell {}
static PREPARED: Cell = Cell(RefCell::new(None));

impl Prepared {
    fn read(ctx: &Ctx<'_>) -> Result<Option<Self>> {
        let Some(list) = direct(ctx)? else { return Ok(None) };
        let arguments: Vec<Value> = list.get(2)?;
        let (object, array) = (Object::new(ctx.clone())?, Array::new(ctx.clone())?);
        let (Some(object), Some(array)) = (object.get_prototype(), array.as_object().get_prototype()) else {
            return Ok(None);
        };
        let name = "textStream";
        // SAFETY: the bytes live through the call; the atom is kept for ever.
        let text_stream = unsafe { qjs::JS_NewAtomLen(ctx.as_raw().as_ptr(), name.as_ptr().cast(), name.len() as _) };
        Ok(Some(Self {
            handler: Persistent::save(ctx, list.get::<Function>(0)?),
            raw_body: list.get(1)?,
            takes_exchange: arguments.iter().any(|one| !one.is_undefined()),
            arguments: save_all(ctx, arguments),
            object_prototype: Persistent::save(ctx, object),
            array_prototype: Persistent::save(ctx, array),
            text_stream,
        }))
    }

    fn call<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let mut arguments = Args::new(ctx.clone(), self.arguments.len());
        for argument in &self.arguments {
            arguments.push_arg(argument.clone().restore(ctx)?)?;
        }
        arguments.apply(&self.handler.clone().restore(ctx)?)
    }

    /// What is JSON and nothing else. `isPlain` of `js/answer.js` says the same.
    fn is_plain<'js>(&self, ctx: &Ctx<'js>, result: &Value<'js>) -> bool {
        let Some(object) = result.as_object() else {
            return result.is_number() || result.is_bool() || result.is_null();
        };
        let plain = if object.is_array() { &self.array_prototype } else { &self.object_prototype };
        let prototype = object.get_prototype();
        prototype.is_some_and(|one| plain.clone().restore(ctx).is_ok_and(|plain| one == plain))
            && is_absent(ctx, object, PredefinedAtom::Then as qjs::JSAtom)
            && is_absent(ctx, object, PredefinedAtom::SymbolAsyncIterator as qjs::JSAtom)
            && is_absent(ctx, object, self.text_stream)
    }
}

/// Whether a property is undefined, as far as that can be known without a getter.
fn is_absent<'js>(ctx: &Ctx<'js>, object: &Object<'js>, name: qjs::JSAtom) -> bool {
    // SAFETY: all three live through the call, and `Value` owns what it gives.
    let value = unsafe {
        Value::from_raw(ctx.clone(), qjs::JS_GetProperty(ctx.as_raw().as_ptr(), object.as_raw(), name))
    };
    value.is_undefined()
}

/// Sends a plain result as JSON. False when that is not all there is to do, or
/// when it has no JSON; the long way then says why.
fn send<'js>(ctx: &Ctx<'js>, result: &Value<'js>) -> bool {
    if call::with(|call| !call.rejections.is_empty()) || runtime::has_pending_jobs(ctx) {
        return false;
    }
    let sent = match ctx.json_stringify(result.clone()) {
        Ok(Some(text)) => respond::json(ctx, &text).is_ok(),
        _ => false,
    };
    if !sent {
        // The long way throws it again.
        ctx.catch();
    }
    sent
}
