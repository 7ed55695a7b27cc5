// Values between two instances, as JSON text: text, finite numbers, booleans and
// null are themselves, all else is `[tag, …]`. What cannot be copied, a function
// above all, is an error that names its place.

const DEPTH_MAX = 100;
const BYTES = { ArrayBuffer, Uint8Array, Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array };
const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
const NOT_DATA = new Set([
  "Promise", "WeakMap", "WeakSet", "WeakRef", "Generator", "AsyncGenerator", "Headers", "Request", "Response", "FormData",
  "AbortSignal", "AbortController", "ReadableStream", "WritableStream", "TransformStream", "CryptoKey", "Blob", "File", "Module",
]);

/** JSON text of a value; `name` is what to call it in errors. */
export function encode(value, name) {
  return JSON.stringify(pack(value, name, []));
}

export function decode(text) {
  return unpack(JSON.parse(text));
}

function cannot(at, what) {
  return new TypeError(`isolate.eval: ${at} is ${what} and cannot be passed; data can, and the functions fetch and console`);
}

function pack(value, at, above) {
  switch (typeof value) {
    case "string":
    case "boolean": return value;
    case "number": return Number.isFinite(value) && !Object.is(value, -0) ? value : ["n", Object.is(value, -0) ? "-0" : String(value)];
    case "undefined": return ["u"];
    case "bigint": return ["i", String(value)];
    case "function": throw cannot(at, "a function");
    case "symbol": throw cannot(at, "a symbol");
  }
  if (value === null) return null;
  if (above.includes(value)) throw cannot(at, "a value that contains itself");
  if (above.length > DEPTH_MAX) throw cannot(at, "nested too deeply");
  return packObject(value, at, [...above, value]);
}

function packObject(value, at, above) {
  if (Array.isArray(value)) return ["a", Array.from(value, (one, i) => pack(one, `${at}[${i}]`, above))];
  if (value instanceof Date) return ["d", value.getTime()];
  if (value instanceof RegExp) return ["r", value.source, value.flags];
  if (value instanceof Map) return ["m", [...value].map(([key, one]) => [pack(key, at, above), pack(one, at, above)])];
  if (value instanceof Set) return ["s", [...value].map((one) => pack(one, at, above))];
  if (value instanceof Error) return ["e", String(value.name), String(value.message)];
  if (value instanceof ArrayBuffer) return ["b", "ArrayBuffer", new Uint8Array(value).toBase64()];
  if (ArrayBuffer.isView(value)) {
    const kind = BYTES[value[Symbol.toStringTag]] ? value[Symbol.toStringTag] : "Uint8Array";
    return ["b", kind, new Uint8Array(value.buffer, value.byteOffset, value.byteLength).toBase64()];
  }
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (NOT_DATA.has(tag)) throw cannot(at, `a ${tag}`);
  return ["o", Object.keys(value).map((key) => [key, pack(value[key], `${at}.${key}`, above)])];
}

function unpack(packed) {
  if (!Array.isArray(packed)) return packed;
  const [tag, one, two] = packed;
  switch (tag) {
    case "n": return Number(one);
    case "u": return undefined;
    case "i": return BigInt(one);
    case "a": return one.map(unpack);
    case "d": return new Date(one);
    case "r": return new RegExp(one, two);
    case "m": return new Map(one.map(([key, value]) => [unpack(key), unpack(value)]));
    case "s": return new Set(one.map(unpack));
    case "e": return Object.hasOwn(ERRORS, one) ? new ERRORS[one](two) : Object.defineProperty(new Error(two), "name", { value: one, configurable: true, writable: true });
    case "b": return bytes(one, Uint8Array.fromBase64(two));
    case "o": return object(one);
  }
  throw new TypeError("isolate.eval: the value has a form that is not known");
}

function bytes(kind, array) {
  if (kind === "ArrayBuffer") return array.buffer;
  return Object.hasOwn(BYTES, kind) ? new BYTES[kind](array.buffer) : array;
}

// `__proto__` is a name like any other.
function object(entries) {
  const made = {};
  for (const [key, value] of entries) Object.defineProperty(made, key, { value: unpack(value), writable: true, enumerable: true, configurable: true });
  return made;
}
