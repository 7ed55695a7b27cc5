// `kv`: durable values of the deployment. The first byte of a stored value says
// what it is:
//
//   s          text follows, as UTF-8
//   j          JSON follows (fractions, booleans, null, arrays, objects), as UTF-8
//   b          bytes follow (Uint8Array)
//   - or 0..9  it is a whole number of 64 bits in decimal text, as the host's
//              `increment` reads and writes it

import { native } from "footpath:native.js";

const [TEXT, JSON_TEXT, BYTES] = ["s", "j", "b"].map((tag) => tag.charCodeAt(0));

function checkKey(key) {
  if (typeof key !== "string") throw new TypeError(`kv: a key is a text, not ${typeof key}`);
  if (key === "") throw new TypeError("kv: a key has at least one character");
  return key;
}

function tagged(tag, content) {
  const bytes = new Uint8Array(content.length + 1);
  bytes[0] = tag;
  bytes.set(content, 1);
  return bytes;
}

function encode(value) {
  switch (typeof value) {
    case "string": return tagged(TEXT, native.utf8Encode(value));
    case "number":
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) return native.utf8Encode(String(value));
      if (!Number.isFinite(value)) throw new TypeError(`kv: ${value} cannot be stored`);
      break;
    case "bigint":
      if (BigInt.asIntN(64, value) !== value) throw new RangeError("kv: a bigint must fit 64 bits");
      return native.utf8Encode(String(value));
  }
  if (value instanceof Uint8Array) return tagged(BYTES, value);
  if (value instanceof ArrayBuffer) return tagged(BYTES, new Uint8Array(value));
  let json;
  try {
    json = JSON.stringify(value, checkInside);
  } catch (error) {
    throw new TypeError(`kv: the value cannot be written as JSON: ${error.message}`, { cause: error });
  }
  if (json === undefined) throw new TypeError(`kv: ${value === undefined ? "undefined" : `a ${typeof value}`} cannot be stored; use delete to remove a key`);
  return tagged(JSON_TEXT, native.utf8Encode(json));
}

// What JSON would store as something else without a word. A Date it stores as a text,
// which everybody knows of it; what has a toJSON knows best.
const INSTEAD = {
  Map: "store [...map]", Set: "store [...set]", Promise: "await it first", Error: "store its message", RegExp: "store its source",
  Headers: "store [...headers]", Response: "store its text", ArrayBuffer: "store it under a key of its own",
};

function checkInside(name, value) {
  if (typeof value === "number" ? Number.isFinite(value) : typeof value !== "object" || value === null) return value;
  const where = name === "" ? "it" : JSON.stringify(name);
  if (typeof value === "number") throw new TypeError(`${where} is ${value}; store null or a text`);
  if (ArrayBuffer.isView(value)) throw new TypeError(`${where} is bytes; store them under a key of their own, or as base64`);
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  // Objects of other kinds keep their content where JSON does not look.
  if (!["Object", "Array", "Boolean", "Number", "String", "BigInt"].includes(tag) && Object.keys(value).length === 0) {
    throw new TypeError(`${where} is a ${tag}, of which JSON keeps nothing; ${Object.hasOwn(INSTEAD, tag) ? INSTEAD[tag] : "store what it holds"}`);
  }
  return value;
}

// Numbers beyond 2^53 come back as bigint.
function number(text) {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

function decode(bytes) {
  if (bytes === null) return undefined;
  const content = bytes.subarray(1);
  switch (bytes[0]) {
    case TEXT: return native.utf8Decode(content, false);
    case JSON_TEXT: return JSON.parse(native.utf8Decode(content, false));
    case BYTES: return content.slice();
  }
  const text = native.utf8Decode(bytes, false);
  if (/^-?\d+$/.test(text)) return number(text);
  throw new Error("kv: the stored value has a form that this version does not know");
}

// "TooLarge: why" of the host becomes an error of that name.
function call(f) {
  try {
    return f();
  } catch (error) {
    const named = /^(TooLarge|NotANumber|Unavailable): (.*)$/s.exec(error.message);
    if (!named) throw error;
    const shown = new Error("kv: " + named[2]);
    Object.defineProperty(shown, "name", { value: named[1], configurable: true, writable: true });
    throw shown;
  }
}

export const kv = {
  /** The value, or undefined when there is none. */
  async get(key) { return decode(call(() => native.kvGet(checkKey(key)))); },

  /** Stores text, numbers, bytes or JSON; it is on disk when the promise resolves. */
  async set(key, value) { call(() => native.kvSet(checkKey(key), encode(value))); },

  /** True when there was a value. */
  async delete(key) { return call(() => native.kvDelete(checkKey(key))); },

  /** `{ keys, cursor }`: at most `limit` (1 to 1000) keys in byte order; the cursor is null at the end. */
  async list(options = {}) {
    const { prefix = "", cursor = null, limit = 1000 } = typeof options === "string" ? { prefix: options } : options ?? {};
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new RangeError("kv.list: limit is 1 to 1000");
    const page = call(() => native.kvList(String(prefix), cursor ?? null, limit));
    return { keys: page.keys, cursor: page.cursor ?? null };
  },

  /** Adds a whole number to a number (a missing key is 0) and gives the sum. */
  async increment(key, by = 1) {
    if (typeof by !== "bigint" && !Number.isSafeInteger(by)) throw new TypeError("kv.increment: the difference is not a whole number");
    return number(call(() => native.kvIncrement(checkKey(key), String(by))));
  },

  /**
   * Stores `next` when the present value is `expected`, and says whether it did.
   * As `expected`, undefined or null means that there is no value; as `next`,
   * they delete.
   */
  async compareAndSet(key, expected, next) {
    const bytes = (value) => (value === undefined || value === null ? null : encode(value));
    return call(() => native.kvCompareAndSet(checkKey(key), bytes(expected), bytes(next)));
  },
};

Object.defineProperty(kv, Symbol.toStringTag, { value: "kv", configurable: true });
