// The part of Node's crypto that signs and checks what travels: hashes, HMAC, random
// values. There are no ciphers and no asymmetric keys.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";

const HASHES = { sha1: "SHA-1", sha256: "SHA-256", sha384: "SHA-384", sha512: "SHA-512" };
/** What 48 bits hold, as in Node. */
const RANDOM_RANGE_MAX = 2 ** 48 - 1;

function failure(code, message, Kind = Error) {
  return Object.assign(new Kind(message), { code });
}

function hashName(algorithm, code = "ERR_OSSL_EVP_UNSUPPORTED") {
  const name = String(algorithm).toLowerCase().replace(/^rsa-/, "").replace(/^sha-/, "sha");
  if (Object.hasOwn(HASHES, name)) return HASHES[name];
  throw failure(code, `Digest method ${JSON.stringify(String(algorithm))} is not supported; there are ${getHashes().join(", ")}`);
}

function bytesOf(data, encoding, what) {
  const { Buffer } = use("node/buffer.js");
  if (typeof data === "string") return Buffer.from(data, encoding);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw failure("ERR_INVALID_ARG_TYPE", `${what} must be a string or bytes, not ${data === null ? "null" : typeof data}`, TypeError);
}

function encoded(bytes, encoding) {
  const buffer = use("node/buffer.js").Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return encoding === undefined || encoding === null || encoding === "buffer" ? buffer : buffer.toString(encoding);
}

/** Collects what it is given; the host hashes it in one go. */
class Digest {
  #parts = [];
  #result;
  constructor(result) { this.#result = result; }

  update(data, encoding) {
    if (this.#parts === null) throw failure("ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    // A copy: the caller may go on with its bytes.
    this.#parts.push(bytesOf(data, encoding, "data").slice());
    return this;
  }

  digest(encoding) {
    if (this.#parts === null) throw failure("ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    const all = use("node/buffer.js").Buffer.concat(this.#parts);
    this.#parts = null;
    return encoded(this.#result(all), encoding);
  }

  /** The parts so far, for a copy that goes on by itself. */
  static parts(digest) {
    if (digest.#parts === null) throw failure("ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    return digest.#parts;
  }
}

export class Hash extends Digest {
  #name;
  constructor(algorithm) {
    const name = hashName(algorithm);
    super((bytes) => native.digest(name, bytes));
    this.#name = name;
  }
  copy() {
    const copy = new Hash(this.#name);
    for (const part of Digest.parts(this)) copy.update(part);
    return copy;
  }
}

export class Hmac extends Digest {
  constructor(algorithm, key, options = undefined) {
    const name = hashName(algorithm, "ERR_CRYPTO_INVALID_DIGEST");
    const secret = bytesOf(key, options?.encoding ?? "utf8", "key").slice();
    super((bytes) => native.hmac(name, secret, bytes));
  }
}

export function createHash(algorithm) { return new Hash(algorithm); }
export function createHmac(algorithm, key, options) { return new Hmac(algorithm, key, options); }
export function hash(algorithm, data, encoding = "hex") { return new Hash(algorithm).update(data).digest(encoding); }
export function getHashes() { return Object.keys(HASHES); }

/** Whether two values are the same, in a time that says nothing about where they differ. */
export function timingSafeEqual(left, right) {
  const [a, b] = [left, right].map((value) => {
    if (typeof value === "string") throw failure("ERR_INVALID_ARG_TYPE", "timingSafeEqual: compare bytes; make them with Buffer.from(text)", TypeError);
    return bytesOf(value, undefined, "timingSafeEqual: a value");
  });
  if (a.length !== b.length) {
    throw failure("ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", "Input buffers must have the same byte length", RangeError);
  }
  // The host compares; under a key that nobody knows, equal codes mean equal values.
  const key = native.randomBytes(32);
  return native.hmacVerify("SHA-256", key, native.hmac("SHA-256", key, a), b);
}

export function randomBytes(size, callback) {
  const { Buffer } = use("node/buffer.js");
  const bytes = Buffer.alloc(size);
  // So many bytes the Web's crypto gives at once.
  for (let at = 0; at < size; at += 65536) webcrypto.getRandomValues(bytes.subarray(at, at + 65536));
  if (callback === undefined) return bytes;
  queueMicrotask(() => callback(null, bytes));
}

/** A whole number from `min`, or 0, up to `max`, which is excluded. */
export function randomInt(min, max, callback) {
  if (max === undefined || typeof max === "function") [min, max, callback] = [0, min, max];
  if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max)) {
    throw failure("ERR_INVALID_ARG_TYPE", "randomInt: the bounds must be safe integers", TypeError);
  }
  const range = max - min;
  if (range <= 0) throw failure("ERR_OUT_OF_RANGE", `randomInt: max must be greater than min (${min}); it is ${max}`, RangeError);
  if (range > RANDOM_RANGE_MAX) {
    throw failure("ERR_OUT_OF_RANGE", `randomInt: max may be above min by ${RANDOM_RANGE_MAX} at most`, RangeError);
  }
  // Numbers above the last multiple of the range would make small results likelier.
  const limit = 2 ** 48 - 2 ** 48 % range;
  let number;
  do number = randomBytes(6).readUIntBE(0, 6); while (number >= limit);
  const result = min + number % range;
  if (callback === undefined) return result;
  queueMicrotask(() => callback(null, result));
}

export const webcrypto = use("web/crypto.js").crypto;
export const subtle = webcrypto.subtle;
export function randomUUID() { return webcrypto.randomUUID(); }
export function getRandomValues(array) { return webcrypto.getRandomValues(array); }
