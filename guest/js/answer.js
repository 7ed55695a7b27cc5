// One request, from the handler to the native answer. Handlers that touch neither
// `res` nor `shared` and return plain JSON never come here: `direct.rs` answers for
// them. What is rarer than this is in `answer/`, evaluated when needed.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";
import { startCall, saveShared } from "footpath:call.js";
import { describe } from "footpath:errors.js";
import { script, importHandler } from "footpath:load.js";
import { current, nextExchange, toJson } from "footpath:answer/node.js";

/**
 * `[handler, rawBody, arguments]` for the driver, so that it can call the handler
 * itself and answer with a plain result; null when there is more to do.
 */
export function direct() {
  if (script.handler === null || script.style !== "node" || script.shared || script.isolate || script.takes.res) return null;
  return [script.handler, script.spec.rawBody, nodeArguments()];
}

/** Another call begins in an instance that has answered one. */
export function next() {
  startCall();
  nextExchange();
}

// What is to be done later for the call in progress. A kept instance may come to it in
// the next one: a handler that was given up still waits, for a promise that the next
// call settles, and has nothing more to say to anybody.
function later(action) {
  const exchange = current;
  return (value) => { if (current === exchange) action(value); };
}

/** The driver calls it once for each request that it does not answer itself. */
export function answer() {
  if (script.handler === null) importHandler().then(later(run), later(fail));
  else run();
}

function run() {
  let result;
  try {
    result = script.style === "web" ? use("answer/web.js").callHandler() : callNodeHandler();
  } catch (error) {
    return fail(error);
  }
  returned(result);
}

/** The handler has returned this, maybe to the driver. */
export function returned(result) {
  try {
    if (typeof result === "object" && result !== null && typeof result.then === "function") {
      Promise.resolve(result).then(later(finishAsync), later(fail));
    } else {
      // The body of a function script is over when it returns, awaits or not.
      finish(result, script.spec.shape === "body");
    }
  } catch (error) {
    fail(error);
  }
}

function callNodeHandler() {
  const method = native.method();
  if (method !== "GET" && method !== "HEAD" && !script.spec.rawBody) use("answer/body.js").read(current);
  const { handler } = script;
  return handler(...script.isolate ? use("isolate/inside.js").parameters() : nodeArguments());
}

function nodeArguments() {
  const { takes } = script;
  return [
    takes.req ? current.req : undefined, takes.res ? current.res : undefined, takes.metadata ? current.metadata : undefined,
    script.shared ? globalThis.shared : undefined,
  ];
}

function finishAsync(result) {
  try {
    finish(result, true);
  } catch (error) {
    fail(error);
  }
}

// The handler has returned. An error that it has caused and does not wait for is
// still the answer, if jobs that can run now are all that it takes to come up.
function finish(result, awaited) {
  const answers = result !== undefined || awaited || current.held !== null;
  // With waitUntil the script has said that its answer need not wait.
  const waits = answers && !current.state.started && current.background === null;
  if (waits && native.hold()) hold(result, awaited);
  else send(result, awaited);
}

// The answer stays what was returned, whatever those jobs write or change.
function hold(result, awaited) {
  const { state } = current;
  const text = current.held === null && !script.isolate && result !== undefined && isPlain(result) ? toJson(result) : null;
  const head = text === null ? null : [current.status, current.flatHeaders("application/json")];
  state.release = () => (text === null ? send(result, awaited) : sendJson(text, ...head));
  state.started = state.ended = true;
}

/** The jobs have run, and nothing has gone wrong in them. */
export function release() {
  const { state } = current;
  if (state.release === null) return;
  const { release } = state;
  takeBack();
  try {
    release();
  } catch (error) {
    fail(error);
  }
}

// What is held back is no answer yet.
function takeBack() {
  const { state } = current;
  if (state.release !== null) state.started = state.ended = false;
  state.release = null;
}

function send(result, awaited) {
  const { state } = current;
  // What its reader has not taken yet is still to be sent.
  if (state.ended) state.sent ? done() : state.onEnd = later(done);
  else if (current.held !== null) sendHeld();
  else if (script.isolate && (result !== undefined || awaited && !state.started)) use("isolate/inside.js").finish(result, later(done), later(fail));
  else if (result === undefined) {
    if (endWithout(awaited)) done();
  } else if (!state.started && isPlain(result)) {
    sendJson(toJson(result));
  } else use("answer/result.js").send(result, later(done), later(fail));
}

// What code in an isolate wrote to `res`: sent only now, when the script has
// done what it still had to do.
function sendHeld() {
  current.res.end(current.held);
  done();
}

// A handler that was not async may still end its response from a callback.
function endWithout(awaited) {
  if (current.state.started || !awaited) {
    current.state.onEnd = later(done);
    current.state.callback = true;
    return false;
  }
  if (current.res.statusCode === 200) current.res.statusCode = 204;
  current.res.end();
  return true;
}

const { getPrototypeOf } = Object;
const objectPrototype = Object.prototype;
const arrayPrototype = Array.prototype;

function isPlain(value) {
  if (typeof value === "object") {
    if (value === null) return true;
    const prototype = getPrototypeOf(value);
    if (prototype === arrayPrototype) return true;
    return (prototype === objectPrototype || prototype === null) && value[Symbol.asyncIterator] === undefined && value.textStream === undefined;
  }
  return typeof value === "number" || typeof value === "boolean";
}

function sendJson(text, status = current.status, headers = current.flatHeaders("application/json")) {
  if (script.shared) saveShared();
  const { state } = current;
  native.respond(status, headers, text);
  state.started = state.ended = true;
  done();
}

// Everything is sent; what was promised with waitUntil may still run.
function done() {
  current.state.done = true;
  if (script.shared) saveLate();
  if (current.background === null) native.finished();
  else awaitBackground();
}

// The answer is out, so nobody can be told but the log.
function saveLate() {
  try {
    saveShared();
  } catch (error) {
    logError("shared was not saved", error);
  }
}

function awaitBackground() {
  // What is promised meanwhile is waited for in the next round.
  const promises = current.background;
  current.background = null;
  Promise.allSettled(promises).then(later((outcomes) => {
    for (const one of outcomes) if (one.status === "rejected") logError("a promise of waitUntil was rejected", one.reason);
    done();
  }));
}

/** The handler has thrown: the host answers, unless an answer has begun. */
export function fail(error) {
  failWith(describe(error), error);
}

function failWith(data, error) {
  takeBack();
  try { saveShared(); } catch { /* the error that is being reported matters more */ }
  if (current.state.started || !native.fail(JSON.stringify(data))) {
    logError("after the answer began", error);
    current.abort();
  }
  current.state.started = current.state.ended = current.state.done = true;
  native.finished();
}

function logError(what, error) {
  native.log(4, what + ": " + use("web/console.js").inspect(error));
}

/** A rejection that nobody took up, or (without a promise) what a timer threw. */
export function unhandled(reason, promise) {
  if (use("web/report.js").isHandled(reason, promise)) return;
  if (current.state.done) logError(promise ? "unhandled rejection" : "uncaught exception", reason);
  else failWith({ ...describe(reason), unhandled: true }, reason);
}

/** Nothing is left that could settle what is waited for. */
export function stuck() {
  const { state } = current;
  if (state.done) {
    native.finished();
  } else if (state.callback) {
    // It never ended its response, and nothing can any more.
    if (!state.started) endWithout(true);
    else current.res.end();
    done();
  } else {
    const message = "the handler waits for a promise that nothing can settle";
    failWith({ name: "NeverSettles", message, stack: "" }, new Error(message));
  }
}
