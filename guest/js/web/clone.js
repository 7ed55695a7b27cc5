// structuredClone (HTML Standard section 2.7).

import { isUsed, use } from "footpath:lazy.js";

const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
const TypedArray = Object.getPrototypeOf(Uint8Array);
const typeTag = Object.getOwnPropertyDescriptor(TypedArray.prototype, Symbol.toStringTag).get;

function failed(what) {
  return new DOMException(`${what} could not be cloned`, "DataCloneError");
}

export function structuredClone(value, options = undefined) {
  if (arguments.length === 0) throw new TypeError("structuredClone: a value is required");
  const transfer = [...options?.transfer ?? []];
  for (const [i, one] of transfer.entries()) {
    if (!(one instanceof ArrayBuffer)) throw failed("an object in the transfer list that is not an ArrayBuffer");
    if (transfer.indexOf(one) !== i) throw failed("an ArrayBuffer that is twice in the transfer list");
    if (one.detached) throw failed("a detached ArrayBuffer");
  }
  const transferred = new Map(transfer.map((one) => [one, null]));
  // Detached only when all else has worked.
  const seen = new Map();
  for (const one of transfer) {
    transferred.set(one, one.slice(0));
    seen.set(one, transferred.get(one));
  }
  const copy = clone(value, seen);
  for (const one of transfer) one.transfer(0);
  return copy;
}

function clone(value, seen) {
  if (typeof value === "symbol") throw failed(String(value));
  if (typeof value === "function") throw failed(`the function ${value.name || "(anonymous)"}`);
  if (typeof value !== "object" || value === null) return value;
  const known = seen.get(value);
  if (known !== undefined) return known;
  const remember = (copy) => {
    seen.set(value, copy);
    return copy;
  };
  if (Array.isArray(value)) {
    const copy = remember([]);
    copy.length = value.length;
    return properties(value, copy, seen);
  }
  for (const Box of [Boolean, Number, String, BigInt]) if (value instanceof Box) return remember(Object(value.valueOf()));
  if (value instanceof Symbol) throw failed("a Symbol object");
  if (value instanceof Date) return remember(new Date(value.getTime()));
  if (value instanceof RegExp) return remember(new RegExp(value.source, value.flags));
  if (value instanceof ArrayBuffer) {
    if (value.detached) throw failed("a detached ArrayBuffer");
    return remember(value.resizable ? resized(value) : value.slice(0));
  }
  if (ArrayBuffer.isView(value)) return remember(view(value, seen));
  if (value instanceof Map) {
    const copy = remember(new Map());
    for (const [key, one] of [...value]) copy.set(clone(key, seen), clone(one, seen));
    return copy;
  }
  if (value instanceof Set) {
    const copy = remember(new Set());
    for (const one of [...value]) copy.add(clone(one, seen));
    return copy;
  }
  if (value instanceof DOMException) return remember(new DOMException(value.message, value.name));
  if (value instanceof Error) return error(value, remember, seen);
  if (isUsed("web/blob.js")) {
    const { Blob, File } = use("web/blob.js");
    if (value instanceof File) return remember(new File([value], value.name, { type: value.type, lastModified: value.lastModified }));
    if (value instanceof Blob) return remember(value.slice(0, value.size, value.type));
  }
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (["WeakMap", "WeakSet", "WeakRef", "Promise", "Generator", "AsyncGenerator"].includes(tag) || isPlatformObject(tag)) throw failed(`a ${tag}`);
  return properties(value, remember({}), seen);
}

// Objects of the Web that the standard does not call serializable.
function isPlatformObject(tag) {
  return typeof globalThis[tag] === "function" && !(tag in ERRORS) && tag !== "Object" &&
    /^(Headers|Request|Response|FormData|URL|URLSearchParams|AbortSignal|AbortController|Event|EventTarget|ReadableStream|WritableStream|TransformStream|CryptoKey|TextEncoder|TextDecoder)$/.test(tag);
}

function properties(from, to, seen) {
  for (const key of Object.keys(from)) {
    Object.defineProperty(to, key, { value: clone(from[key], seen), writable: true, enumerable: true, configurable: true });
  }
  return to;
}

function resized(buffer) {
  const copy = new ArrayBuffer(buffer.byteLength, { maxByteLength: buffer.maxByteLength });
  new Uint8Array(copy).set(new Uint8Array(buffer));
  return copy;
}

function view(value, seen) {
  const buffer = clone(value.buffer, seen);
  if (value instanceof DataView) return new DataView(buffer, value.byteOffset, value.byteLength);
  return new globalThis[typeTag.call(value)](buffer, value.byteOffset, value.length);
}

function error(value, remember, seen) {
  const Kind = ERRORS[value.name] ?? Error;
  const made = remember(new Kind(Object.hasOwn(value, "message") ? String(value.message) : undefined));
  const hide = (name, one) => Object.defineProperty(made, name, { value: one, writable: true, enumerable: false, configurable: true });
  hide("stack", String(value.stack ?? ""));
  if (Object.hasOwn(value, "cause")) hide("cause", clone(value.cause, seen));
  return made;
}
