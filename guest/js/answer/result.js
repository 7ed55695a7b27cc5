// What a handler's result means as a response. Plain objects, arrays, numbers,
// booleans and null are JSON and never come here; the rest:
//
//   Response                     its status, headers and body, streaming through
//   string                       text/plain; charset=utf-8
//   Uint8Array, views, ArrayBuffer   application/octet-stream
//   Blob, FormData, URLSearchParams  as `new Response(value)` would send it
//   ReadableStream, async iterable, { textStream }   text/plain, sent as it comes;
//                                parts are text or bytes
//   Error                        as if it had been thrown
//   bigint, function, symbol     a TypeError
//   any other object             JSON
//
// A Content-Type that the script set wins, and so does `res.status`. When the
// response was already ended, the result is ignored.

import { native } from "footpath:native.js";
import { use, isUsed } from "footpath:lazy.js";
import { saveShared } from "footpath:call.js";
import { current, checkStatus, toJson, HOP_BY_HOP } from "footpath:answer/node.js";

const TEXT = "text/plain; charset=utf-8";

/** Answers with a result; calls `done` or `fail` at the end, maybe later. */
export function send(value, done, fail) {
  if (current.state.started) {
    native.log(3, "the handler returned a value after it began to write the response; the value is ignored");
    current.state.onEnd = done;
    current.res.end();
    return;
  }
  if (isUsed("web/http.js") && value instanceof use("web/http.js").Response) {
    return sendResponse(use("web/http.js").internals(value), done, fail);
  }
  switch (typeof value) {
    case "string": return whole(TEXT, value, done);
    case "bigint":
    case "function":
    case "symbol":
      throw new TypeError(`a handler cannot return a ${typeof value}: return an object, text, bytes or a Response`);
  }
  if (value instanceof Error) return fail(value);
  if (value instanceof ArrayBuffer) return whole("application/octet-stream", new Uint8Array(value), done);
  if (ArrayBuffer.isView(value)) {
    return whole("application/octet-stream", new Uint8Array(value.buffer, value.byteOffset, value.byteLength), done);
  }
  const response = asResponse(value);
  if (response !== null) return sendResponse(response, done, fail);
  const iterator = iteratorOf(value);
  if (iterator !== null) {
    const outgoing = current.stream(current.res.statusCode, current.flatHeaders(TEXT, false));
    return streamed(outgoing, iterator, done, fail);
  }
  whole("application/json", toJson(value), done);
}

function whole(type, body, done) {
  saveShared();
  native.respond(checkStatus(current.res.statusCode), current.flatHeaders(type), body);
  current.state.started = current.state.ended = true;
  done();
}

// `{ status, headers, body }` of what a Response can be made from.
function asResponse(value) {
  const made = (isUsed("web/blob.js") && (value instanceof use("web/blob.js").Blob || value instanceof use("web/blob.js").FormData)) ||
    (isUsed("web/url.js") && value instanceof use("web/url.js").URLSearchParams);
  if (!made) return null;
  const { Response, internals } = use("web/http.js");
  return internals(new Response(value, { status: checkStatus(current.res.statusCode) }));
}

function sendResponse({ status, headers, body }, done, fail) {
  if (status === 0) throw new TypeError("Response.error() cannot be sent: it has no status");
  body?.take();
  const bytes = body === null ? null : body.whole();
  const flat = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i];
    // The length of a body that is all there is counted again.
    if (name !== "content-type" && (HOP_BY_HOP.has(name) || (bytes !== undefined && name === "content-length"))) continue;
    flat.push(name, headers[i + 1]);
  }
  // Headers of `res` that the Response does not have.
  const own = current.flatHeaders(null, bytes !== undefined);
  for (let i = 0; i < own.length; i += 2) if (!hasName(headers, own[i])) flat.push(own[i], own[i + 1]);
  if (bytes !== undefined) {
    saveShared();
    native.respond(checkStatus(status), flat, bytes);
    current.state.started = current.state.ended = true;
    return done();
  }
  streamed(current.stream(status, flat), body.chunks(), done, fail);
}

function hasName(flat, name) {
  for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return true;
  return false;
}

function iteratorOf(value) {
  const source = value.textStream ?? value;
  if (typeof source === "object" && source !== null && typeof source[Symbol.asyncIterator] === "function") {
    return source[Symbol.asyncIterator]();
  }
  return null;
}

function streamed(outgoing, iterator, done, fail) {
  // Of this call, however late the last part comes.
  const { state } = current;
  use("answer/stream.js").pump(outgoing, iterator).then(() => outgoing.finish(() => {
    state.ended = true;
    done();
  })).catch(fail);
}
