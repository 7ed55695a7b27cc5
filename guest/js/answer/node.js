// `req`, `res` and `metadata` of the Node style (contract 2.3). The first exchange
// is made when the engine is built, so a call that touches none of it pays nothing;
// each of their properties is computed when it is first read.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";
import { hostContext, requestHeaders, saveShared } from "footpath:call.js";
import { script } from "footpath:load.js";

// An object whose properties are computed from the exchange when they are first
// read, and are its own and enumerable as far as anybody can tell. Defining each of
// them would cost more than most calls do, so a Proxy stands before them.
function lazily(target, computations, exchange) {
  return new Proxy(target, new Lazy(computations, exchange));
}

// Nothing of these comes from `Object.prototype`, where a script may put what it likes:
// a trap that is missing here must be missing there too.
class Lazy {
  constructor(computations, exchange) {
    this.computations = computations;
    this.exchange = exchange;
  }

  compute(target, name) {
    if (!Object.hasOwn(this.computations, name) || this.computed?.has(name)) return;
    const value = this.computations[name](this.exchange);
    (this.computed ??= new Set()).add(name);
    setOwn(target, name, value);
  }

  computeAll(target) {
    for (const name in this.computations) this.compute(target, name);
  }

  get(target, name, receiver) {
    this.compute(target, name);
    return Reflect.get(target, name, receiver);
  }

  has(target, name) {
    this.compute(target, name);
    return Reflect.has(target, name);
  }

  defineProperty(target, name, descriptor) {
    this.compute(target, name);
    return Reflect.defineProperty(target, name, descriptor);
  }

  deleteProperty(target, name) {
    this.compute(target, name);
    return Reflect.deleteProperty(target, name);
  }

  getOwnPropertyDescriptor(target, name) {
    this.compute(target, name);
    return Reflect.getOwnPropertyDescriptor(target, name);
  }

  ownKeys(target) {
    this.computeAll(target);
    return Reflect.ownKeys(target);
  }

  preventExtensions(target) {
    this.computeAll(target);
    return Reflect.preventExtensions(target);
  }
}

// The names that were computed; null while that is none of them.
Lazy.prototype.computed = null;
Object.setPrototypeOf(Lazy.prototype, null);

function splitTarget() {
  const target = native.target();
  const at = target.indexOf("?");
  return at < 0 ? [target, ""] : [target.slice(0, at), target.slice(at + 1)];
}

function headersObject() {
  const flat = requestHeaders();
  const headers = {};
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i];
    const value = flat[i + 1];
    if (!Object.hasOwn(headers, name)) headers[name] = name === "set-cookie" ? [value] : value;
    else if (name === "set-cookie") headers[name].push(value);
    else headers[name] += ", " + value;
  }
  headers.host ??= "";
  return headers;
}

class IncomingMessage {
  /** The body's chunks; for scripts with @rawBody, which get it unread. */
  async *[Symbol.asyncIterator]() {
    if (!script.spec.rawBody) {
      if (this.rawBody?.length) yield this.rawBody;
      return;
    }
    const body = native.requestBody();
    if (body === null) return;
    const { Buffer } = use("node/buffer.js");
    for (;;) {
      const chunk = body.read(65536);
      if (chunk === undefined) return;
      if (chunk === null) await body.wait();
      else yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
  }
}

const REQUEST = {
  httpVersion: () => "1.1",
  method: () => native.method(),
  url: () => native.target(),
  headers: headersObject,
  body: (exchange) => exchange.parsed?.body,
  rawBody: (exchange) => exchange.parsed?.rawBody,
  files: (exchange) => exchange.parsed?.files ?? [],
  socket: (exchange) => ({ remoteAddress: exchange.metadata.clientIp, encrypted: native.origin()[0] === "https" }),
};

const METADATA = {
  executionId: () => hostContext()?.executionId ?? use("web/crypto.js").crypto.randomUUID(),
  parameters: () => hostContext()?.parameters ?? use("answer/pattern.js").match(script.spec.pattern, splitTarget()[0]),
  clientIp: () => hostContext()?.clientIp ?? "",
  path: () => hostContext()?.path ?? splitTarget()[0],
  method: () => native.method(),
  url: () => native.target(),
  query: (exchange) => {
    const flat = native.formParse(splitTarget()[1]);
    const query = {};
    for (let i = 0; i < flat.length; i += 2) setOwn(query, flat[i], flat[i + 1]);
    const { parameters } = exchange.metadata;
    for (const name of Object.keys(parameters)) setOwn(query, name, parameters[name]);
    return query;
  },
  depth: () => hostContext()?.depth ?? 0,
};

// What the prototype has is a name like any other in a query, `__proto__` too.
function setOwn(object, name, value) {
  if (name in object) Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  else object[name] = value;
}

// QuickJS makes a builtin when something first asks for it; these are part of the
// image, since most calls ask for them.
void [Object.hasOwn, Object.keys, Object.defineProperty, Reflect.get, Set.prototype.has, Set.prototype.add,
  String.prototype.indexOf, String.prototype.slice, String.prototype.toLowerCase, Promise.resolve, Promise.prototype.then, JSON.stringify];

function headersSent() {
  return Object.assign(new Error("the headers are already sent"), { code: "ERR_HTTP_HEADERS_SENT" });
}

/** Never changed: most answers are JSON without other headers. */
const JSON_HEADERS = ["content-type", "application/json"];

let flatOf, startOf, abort, seal;

/** The response half of Node's http, with the helpers of Express. */
class ServerResponse {
  #exchange;
  #headers = null;
  #sealed = false;
  #out = null;
  #listeners = null;
  statusCode = 200;
  statusMessage = "";

  constructor(exchange) {
    this.#exchange = exchange;
  }

  // What only the engine may do with one.
  static {
    flatOf = (res, type, whole) => res.#flat(type, whole);
    startOf = (res, status, flat) => res.#start(status, flat);
    abort = (res) => res.#out?.abort();
    seal = (res) => { res.#sealed = true; };
  }

  get headersSent() { return this.#sealed || this.#exchange.state.started; }
  get writableEnded() { return this.#exchange.state.ended; }
  get finished() { return this.#exchange.state.ended; }

  #change() {
    if (this.headersSent) throw headersSent();
    return this.#headers ??= Object.create(null);
  }

  // [name, value, …] for the host. `type` is for a body that has none said; the
  // length of a whole body is the host's to say.
  #flat(type, whole) {
    if (this.#headers === null) return type === null ? [] : type === "application/json" ? JSON_HEADERS : ["content-type", type];
    const flat = [];
    for (const name in this.#headers) {
      const value = this.#headers[name];
      if (HOP_BY_HOP.has(name) || (whole && name === "content-length")) continue;
      if (Array.isArray(value)) for (const one of value) flat.push(name, one);
      else flat.push(name, value);
    }
    if (type !== null && this.#headers["content-type"] === undefined) flat.push("content-type", type);
    return flat;
  }

  setHeader(name, value) {
    const lower = native.headerName(name);
    this.#change()[lower] = Array.isArray(value) ? value.map((one) => checkValue(name, one)) : checkValue(name, value);
    return this;
  }

  appendHeader(name, value) {
    const before = this.getHeader(name);
    return this.setHeader(name, before === undefined ? value : [].concat(before, value));
  }

  getHeader(name) { return this.#headers?.[String(name).toLowerCase()]; }
  getHeaders() { return { ...this.#headers }; }
  getHeaderNames() { return Object.keys(this.#headers ?? {}); }
  hasHeader(name) { return this.getHeader(name) !== undefined; }
  removeHeader(name) { delete this.#change()[String(name).toLowerCase()]; }

  writeHead(status, message, headers) {
    if (this.headersSent) throw headersSent();
    this.statusCode = checkStatus(status);
    headers ??= typeof message === "string" ? null : message;
    if (Array.isArray(headers)) {
      const pairs = Array.isArray(headers[0]) ? headers : headers.flatMap((name, i) => i % 2 ? [] : [[name, headers[i + 1]]]);
      for (const [name, value] of pairs) this.appendHeader(name, value);
    } else if (headers) {
      for (const name of Object.keys(headers)) this.setHeader(name, headers[name]);
    }
    this.#sealed = true;
    return this;
  }

  flushHeaders() { this.#start(); }

  // From here on the body goes out as it is written.
  #start(status = this.statusCode, flat = this.#flat(null, false)) {
    if (this.#out === null) {
      saveShared();
      this.#out = new (use("answer/stream.js").Outgoing)(native.startResponse(checkStatus(status), flat));
      this.#exchange.state.started = true;
    }
    return this.#out;
  }

  write(chunk, encoding, callback) {
    if (this.#exchange.state.ended) throw Object.assign(new Error("write after end"), { code: "ERR_STREAM_WRITE_AFTER_END" });
    const room = this.#start().write(toBytes(chunk, encoding), () => this.emit("drain"));
    (typeof encoding === "function" ? encoding : callback)?.();
    return room;
  }

  end(chunk, encoding, callback) {
    const { state } = this.#exchange;
    if (typeof chunk === "function") return this.end(undefined, undefined, chunk);
    if (state.ended) {
      if (chunk !== undefined && chunk !== null) native.log(3, "res.end was given a body after the answer was sent; it is ignored. A handler that answers later returns a promise");
      return this;
    }
    if (this.#out === null) {
      saveShared();
      const body = chunk === undefined || chunk === null ? null : toBytes(chunk, encoding);
      native.respond(checkStatus(this.statusCode), this.#flat(null, true), body);
      state.started = state.ended = true;
      this.#ended(encoding, callback);
    } else {
      if (chunk !== undefined && chunk !== null) this.#out.write(toBytes(chunk, encoding));
      state.ended = true;
      this.#out.finish(() => this.#ended(encoding, callback));
    }
    return this;
  }

  #ended(encoding, callback) {
    // First of all: a listener may throw.
    this.#exchange.state.sent = true;
    (typeof encoding === "function" ? encoding : callback)?.();
    this.emit("finish");
    this.emit("close");
    this.#exchange.state.onEnd?.();
  }

  on(event, listener) {
    ((this.#listeners ??= new Map()).get(event) ?? this.#listeners.set(event, []).get(event)).push(listener);
    return this;
  }
  once(event, listener) {
    const wrapped = (...values) => { this.off(event, wrapped); listener.apply(this, values); };
    return this.on(event, wrapped);
  }
  off(event, listener) {
    const list = this.#listeners?.get(event);
    if (list?.includes(listener)) list.splice(list.indexOf(listener), 1);
    return this;
  }
  emit(event, ...values) {
    for (const listener of [...this.#listeners?.get(event) ?? []]) listener.apply(this, values);
    return this.#listeners?.has(event) ?? false;
  }

  // Express.
  status(code) { this.statusCode = checkStatus(code); return this; }
  sendStatus(code) { return this.status(code).type("text/plain; charset=utf-8").end(String(code)); }
  set(name, value) {
    if (typeof name === "object") for (const key of Object.keys(name)) this.setHeader(key, name[key]);
    else this.setHeader(name, value);
    return this;
  }
  header(name, value) { return this.set(name, value); }
  get(name) { return this.getHeader(name); }
  append(name, value) { return this.appendHeader(name, value); }
  type(type) { return this.setHeader("content-type", type.includes("/") ? type : TYPES[type.replace(/^\./, "")] ?? "application/octet-stream"); }
  location(url) { return this.setHeader("location", encodeURI(decodeSafely(String(url)))); }
  redirect(status, url) {
    if (url === undefined) [status, url] = [302, status];
    return this.status(status).location(url).end();
  }
  json(value) {
    const text = toJson(value);
    if (!this.hasHeader("content-type")) this.setHeader("content-type", "application/json");
    return this.end(text);
  }
  send(value) {
    if (typeof value === "string") {
      if (!this.hasHeader("content-type")) this.setHeader("content-type", "text/html; charset=utf-8");
      return this.end(value);
    }
    if (value === undefined) return this.end();
    if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
      if (!this.hasHeader("content-type")) this.setHeader("content-type", "application/octet-stream");
      return this.end(value);
    }
    return this.json(value);
  }
}

const TYPES = {
  html: "text/html; charset=utf-8", text: "text/plain; charset=utf-8", txt: "text/plain; charset=utf-8",
  css: "text/css; charset=utf-8", csv: "text/csv; charset=utf-8", md: "text/markdown; charset=utf-8",
  js: "text/javascript; charset=utf-8", json: "application/json", xml: "application/xml", pdf: "application/pdf",
  svg: "image/svg+xml", png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp",
  bin: "application/octet-stream",
};

/** Headers that belong to the connection, which is the host's (RFC 9110 section 7.6.1). */
export const HOP_BY_HOP = new Set([
  "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
  "transfer-encoding", "upgrade", "host", "http2-settings",
]);

// Percent signs of an encoded URL stay as they are.
function decodeSafely(url) {
  try { return decodeURI(url); } catch { return url; }
}

export function checkStatus(status) {
  const code = Number(status);
  if (!Number.isInteger(code) || code < 200 || code > 599) {
    throw new RangeError(`${String(status)} is not a status that ends a request (200 to 599)`);
  }
  return code;
}

/** JSON text of a body; a TypeError says what has none. */
export function toJson(value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new TypeError(`the body cannot be written as JSON: ${error.message}`, { cause: error });
  }
  if (text === undefined) throw new TypeError(`the body cannot be written as JSON: it is ${typeof value} or its toJSON gives undefined`);
  return text;
}

function checkValue(name, value) {
  if (value === undefined || value === null) throw new TypeError(`the header ${name} is ${value}`);
  return native.headerValue(value);
}

// Text in an encoding of Node's, or bytes.
function toBytes(chunk, encoding) {
  if (typeof chunk === "string") {
    if (typeof encoding === "string" && !/^utf-?8$/i.test(encoding)) return use("node/buffer.js").Buffer.from(chunk, encoding);
    return native.utf8Encode(chunk);
  }
  if (chunk instanceof Uint8Array) return chunk;
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError("a body is text or bytes; use res.json for other values");
}

// A kept instance makes an exchange for each call, and giving an object a property costs
// a twentieth of a short call: so these have theirs from the prototype until they change.
class State {}
const STATE = {
  /** The head is sent or cannot change. */
  started: false,
  /** The script ended the body. */
  ended: false,
  /** The host has all of it. */
  sent: false,
  /** The call is over. */
  done: false,
  /** The handler has returned nothing, and a callback may still end the answer. */
  callback: false,
  /** What is to be done when the host has all of it. */
  onEnd: null,
  /** What sends an answer that is held back. */
  release: null,
};
Object.assign(State.prototype, STATE);
Object.setPrototypeOf(State.prototype, null);

/** One request and its answer. Scripts never see it. */
class Exchange {
  constructor() {
    this.state = new State();
  }

  get req() { return this.ownReq ??= lazily(new IncomingMessage(), REQUEST, this); }
  get res() { return this.ownRes ??= new ServerResponse(this); }
  get metadata() { return this.ownMetadata ??= lazily({}, METADATA, this); }

  /** What `res` says, when anybody has touched it. */
  get status() { return this.ownRes === null ? 200 : checkStatus(this.ownRes.statusCode); }
  flatHeaders(type, whole = true) {
    return this.ownRes === null && type === "application/json" ? JSON_HEADERS : flatOf(this.res, type, whole);
  }
  stream(status, flat) { return startOf(this.res, status, flat); }
  abort() { if (this.ownRes !== null) abort(this.ownRes); }
  hold(body) {
    this.held = body;
    seal(this.res);
  }
}

const EXCHANGE = {
  /** The request's body. */
  parsed: null,
  /** A whole body for `res` that is to be sent when the handler returns. */
  held: null,
  /** The promises of waitUntil, once there are any. */
  background: null,
  ownReq: null, ownRes: null, ownMetadata: null,
};
Object.assign(Exchange.prototype, EXCHANGE);
Object.setPrototypeOf(Exchange.prototype, null);

/** The exchange of the call in progress. */
export let current = new Exchange();
// The first call finds it whole, as it was when the engine was built.
Object.assign(current, EXCHANGE);
Object.assign(current.state, STATE);
void [current.req, current.res, current.metadata];

/** Starts the next one; the first is there already. */
export function nextExchange() { current = new Exchange(); }
