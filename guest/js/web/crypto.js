// Web Cryptography: random values, digests and HMAC.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";

const RANDOM_BYTES_MAX = 65536;
const HASHES = { "SHA-1": [20, 64], "SHA-256": [32, 64], "SHA-384": [48, 128], "SHA-512": [64, 128] };
const INTEGER_ARRAYS = new Set([
  "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array",
  "BigInt64Array", "BigUint64Array",
]);
const typeTag = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;

function unsupported(what) {
  return new DOMException(`${what} is not supported; there are SHA-1, SHA-256, SHA-384, SHA-512 and HMAC`, "NotSupportedError");
}

function hashName(algorithm) {
  const name = String(algorithm?.name ?? algorithm).toUpperCase();
  if (!Object.hasOwn(HASHES, name)) throw unsupported(JSON.stringify(String(algorithm?.name ?? algorithm)));
  return name;
}

function isHmac(algorithm) {
  if (String(algorithm?.name ?? algorithm).toUpperCase() !== "HMAC") throw unsupported(JSON.stringify(String(algorithm?.name ?? algorithm)));
}

// A copy: the caller may change its bytes while a promise is pending.
function copyOf(source) {
  return use("web/encoding.js").bytesOf(source).slice();
}

/** Only the engine makes keys. */
const KEY = Symbol("CryptoKey");
let bytesOfKey;

export class CryptoKey {
  #bytes;
  #data;
  constructor(key, bytes, data) {
    if (key !== KEY) throw new TypeError("Illegal constructor: use crypto.subtle.importKey");
    this.#bytes = bytes;
    this.#data = data;
  }
  get type() { return "secret"; }
  get extractable() { return this.#data.extractable; }
  get algorithm() { return this.#data.algorithm; }
  get usages() { return this.#data.usages; }
  static { bytesOfKey = (key) => key.#bytes; }
}

function makeKey(bytes, hash, extractable, usages) {
  const wanted = [...usages];
  for (const one of wanted) {
    if (one !== "sign" && one !== "verify") throw new DOMException(`an HMAC key cannot be used for ${String(one)}`, "SyntaxError");
  }
  if (wanted.length === 0) throw new DOMException("a secret key needs at least one usage", "SyntaxError");
  const algorithm = { name: "HMAC", hash: { name: hash }, length: bytes.length * 8 };
  return new CryptoKey(KEY, bytes, { algorithm, extractable: Boolean(extractable), usages: wanted });
}

function checkKey(key, usage) {
  if (!(key instanceof CryptoKey)) throw new TypeError(`crypto.subtle.${usage}: the key is not a CryptoKey`);
  if (!key.usages.includes(usage)) throw new DOMException(`the key must not be used to ${usage}`, "InvalidAccessError");
  return bytesOfKey(key);
}

export class SubtleCrypto {
  constructor(key) {
    if (key !== KEY) throw new TypeError("Illegal constructor");
  }

  async digest(algorithm, data) {
    return native.digest(hashName(algorithm), copyOf(data)).buffer;
  }

  async importKey(format, keyData, algorithm, extractable, usages) {
    isHmac(algorithm);
    const hash = hashName(algorithm.hash);
    let bytes;
    if (format === "raw") bytes = copyOf(keyData);
    else if (format === "jwk") bytes = fromJwk(keyData, hash, extractable);
    else throw unsupported(`the key format ${JSON.stringify(format)}`);
    if (bytes.length === 0) throw new DOMException("an HMAC key cannot be empty", "DataError");
    if (algorithm.length !== undefined) {
      const bits = Number(algorithm.length);
      if (bits > bytes.length * 8 || bits <= (bytes.length - 1) * 8) throw new DOMException("the length does not fit the key", "DataError");
    }
    return makeKey(bytes, hash, extractable, usages);
  }

  async generateKey(algorithm, extractable, usages) {
    isHmac(algorithm);
    const hash = hashName(algorithm.hash);
    const bits = algorithm.length === undefined ? HASHES[hash][1] * 8 : Number(algorithm.length);
    if (!(bits > 0) || bits % 8 !== 0 || bits / 8 > RANDOM_BYTES_MAX) throw new DOMException("the key length must be a positive number of whole bytes", "OperationError");
    return makeKey(native.randomBytes(bits / 8), hash, extractable, usages);
  }

  async exportKey(format, key) {
    if (!(key instanceof CryptoKey)) throw new TypeError("crypto.subtle.exportKey: the key is not a CryptoKey");
    if (!key.extractable) throw new DOMException("the key is not extractable", "InvalidAccessError");
    const bytes = bytesOfKey(key);
    if (format === "raw") return bytes.slice().buffer;
    if (format !== "jwk") throw unsupported(`the key format ${JSON.stringify(format)}`);
    const k = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
    return { kty: "oct", k, alg: "HS" + key.algorithm.hash.name.slice(4), key_ops: [...key.usages], ext: key.extractable };
  }

  async sign(algorithm, key, data) {
    isHmac(algorithm);
    return native.hmac(key.algorithm?.hash?.name, checkKey(key, "sign"), copyOf(data)).buffer;
  }

  async verify(algorithm, key, signature, data) {
    isHmac(algorithm);
    return native.hmacVerify(key.algorithm?.hash?.name, checkKey(key, "verify"), copyOf(signature), copyOf(data));
  }
}

function fromJwk(jwk, hash, extractable) {
  if (typeof jwk !== "object" || jwk?.kty !== "oct" || typeof jwk.k !== "string") throw new DOMException("the JWK is not a secret key (kty oct)", "DataError");
  if (jwk.alg !== undefined && jwk.alg !== "HS" + hash.slice(4)) throw new DOMException(`the JWK is for ${jwk.alg}, not for ${hash}`, "DataError");
  if (jwk.ext === false && extractable) throw new DOMException("the JWK says that it is not extractable", "DataError");
  try {
    return Uint8Array.fromBase64(jwk.k, { alphabet: "base64url" });
  } catch (error) {
    throw new DOMException(`the JWK's k is not base64url: ${error.message}`, "DataError");
  }
}

export class Crypto {
  #subtle = new SubtleCrypto(KEY);
  constructor(key) {
    if (key !== KEY) throw new TypeError("Illegal constructor: use the global crypto");
  }

  get subtle() { return this.#subtle; }

  getRandomValues(array) {
    if (!ArrayBuffer.isView(array) || !INTEGER_ARRAYS.has(typeTag.call(array))) {
      throw new DOMException("crypto.getRandomValues: a typed array of integers is required", "TypeMismatchError");
    }
    if (array.byteLength > RANDOM_BYTES_MAX) {
      throw new DOMException(`crypto.getRandomValues: at most ${RANDOM_BYTES_MAX} bytes at once`, "QuotaExceededError");
    }
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(native.randomBytes(array.byteLength));
    return array;
  }

  randomUUID() {
    const bytes = native.randomBytes(16);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }
}

export const crypto = new Crypto(KEY);

for (const one of [Crypto, CryptoKey, SubtleCrypto]) {
  Object.defineProperty(one.prototype, Symbol.toStringTag, { value: one.name, configurable: true });
}
