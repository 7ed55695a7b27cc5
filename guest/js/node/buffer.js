// The part of Node's Buffer that bodies need: a Uint8Array that knows encodings.

import { native } from "footpath:native.js";
import { defineNumbers } from "footpath:node/numbers.js";

function encodingOf(encoding) {
  switch (String(encoding ?? "utf8").toLowerCase()) {
    case "utf8": case "utf-8": return "utf8";
    case "hex": return "hex";
    case "base64": return "base64";
    case "base64url": return "base64url";
    case "latin1": case "binary": return "latin1";
    case "ascii": return "ascii";
    case "utf16le": case "utf-16le": case "ucs2": case "ucs-2": return "utf16le";
    default: throw Object.assign(new TypeError(`Unknown encoding: ${encoding}`), { code: "ERR_UNKNOWN_ENCODING" });
  }
}

function encode(text, encoding) {
  switch (encodingOf(encoding)) {
    case "utf8": return native.utf8Encode(text);
    case "hex": {
      // Node stops at the first pair that is not hexadecimal.
      const valid = /^(?:[0-9a-f]{2})*/i.exec(text)[0];
      return Uint8Array.fromHex(valid);
    }
    case "base64": case "base64url": {
      const clean = text.replace(/=.*$/s, "").replace(/[^A-Za-z0-9+/_-]/g, "").replaceAll("-", "+").replaceAll("_", "/");
      return Uint8Array.fromBase64(clean.length % 4 === 1 ? clean.slice(0, -1) : clean);
    }
    case "utf16le": {
      const bytes = new Uint8Array(text.length * 2);
      for (let i = 0; i < text.length; i++) {
        bytes[2 * i] = text.charCodeAt(i);
        bytes[2 * i + 1] = text.charCodeAt(i) >> 8;
      }
      return bytes;
    }
    default: return Uint8Array.from(text, (character) => character.charCodeAt(0));
  }
}

const plain = (bytes) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export class Buffer extends Uint8Array {
  static poolSize = 8192;

  /** Text in an encoding, a list of bytes, a copy of an array, or a view of an ArrayBuffer. */
  static from(value, encodingOrOffset, length) {
    if (typeof value === "string") return view(encode(value, encodingOrOffset));
    if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
      return new Buffer(value, encodingOrOffset ?? 0, length ?? value.byteLength - (encodingOrOffset ?? 0));
    }
    if (value?.type === "Buffer" && Array.isArray(value.data)) return Buffer.from(value.data);
    if (typeof value === "object" && value !== null && typeof value.length === "number") {
      const buffer = new Buffer(value.length);
      for (let i = 0; i < value.length; i++) buffer[i] = value[i];
      return buffer;
    }
    throw new TypeError(`Buffer.from: ${value === null ? "null" : typeof value} is not text, bytes or a list of bytes`);
  }

  static alloc(size, fill = 0, encoding = "utf8") {
    const buffer = new Buffer(checkSize(size));
    return fill === 0 ? buffer : buffer.fill(fill, 0, size, encoding);
  }
  static allocUnsafe(size) { return new Buffer(checkSize(size)); }
  static isBuffer(value) { return value instanceof Buffer; }
  static isEncoding(encoding) {
    try { encodingOf(encoding); return typeof encoding === "string"; } catch { return false; }
  }
  static byteLength(value, encoding) {
    return typeof value === "string" ? encode(value, encoding).length : value.byteLength;
  }
  static concat(list, total = list.reduce((sum, one) => sum + one.length, 0)) {
    const buffer = Buffer.alloc(total);
    let at = 0;
    for (const one of list) {
      if (at >= total) break;
      buffer.set(one.subarray(0, total - at), at);
      at += one.length;
    }
    return buffer;
  }
  static compare(a, b) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    return Math.sign(a.length - b.length);
  }

  toString(encoding = "utf8", start = 0, end = this.length) {
    const bytes = plain(this).subarray(Math.max(0, start), Math.max(0, end));
    switch (encodingOf(encoding)) {
      case "utf8": return native.utf8Decode(bytes, false);
      case "hex": return bytes.toHex();
      case "base64": return bytes.toBase64();
      case "base64url": return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
      case "latin1": return native.latin1Decode(bytes, false);
      case "ascii": return native.latin1Decode(bytes.map((byte) => byte & 0x7f), false);
      default: return native.utf16Decode(bytes.subarray(0, bytes.length & ~1), false);
    }
  }
  toJSON() { return { type: "Buffer", data: [...this] }; }

  equals(other) { return other instanceof Uint8Array && Buffer.compare(this, other) === 0; }
  compare(other) { return Buffer.compare(this, other); }

  /** A view, unlike Uint8Array's slice, which copies. */
  slice(start = 0, end = this.length) { return this.subarray(start, end); }
  subarray(start = 0, end = this.length) {
    const part = plain(this).subarray(start, end);
    return new Buffer(part.buffer, part.byteOffset, part.byteLength);
  }

  write(text, offset = 0, length = this.length - offset, encoding = "utf8") {
    if (typeof offset === "string") [offset, length, encoding] = [0, this.length, offset];
    else if (typeof length === "string") [length, encoding] = [this.length - offset, length];
    const bytes = encode(text, encoding).subarray(0, Math.min(length, this.length - offset));
    this.set(bytes, offset);
    return bytes.length;
  }
  copy(target, targetStart = 0, start = 0, end = this.length) {
    const part = plain(this).subarray(start, Math.min(end, start + target.length - targetStart));
    target.set(part, targetStart);
    return part.length;
  }
  fill(value, start = 0, end = this.length, encoding = "utf8") {
    if (typeof value === "number") return super.fill(value, start, end);
    const bytes = typeof value === "string" ? encode(value, encoding) : value;
    for (let i = start; i < end; i++) this[i] = bytes.length > 0 ? bytes[(i - start) % bytes.length] : 0;
    return this;
  }
  indexOf(value, from = 0, encoding = "utf8") {
    if (typeof from === "string") [from, encoding] = [0, from];
    if (typeof value === "number") return super.indexOf(value & 0xff, from);
    const bytes = typeof value === "string" ? encode(value, encoding) : value;
    if (bytes.length === 0) return Math.min(from, this.length);
    for (let i = from < 0 ? Math.max(0, this.length + from) : from; i + bytes.length <= this.length; i++) {
      if (isAt(this, bytes, i)) return i;
    }
    return -1;
  }
  lastIndexOf(value, from = this.length, encoding = "utf8") {
    if (typeof from === "string") [from, encoding] = [this.length, from];
    if (Number.isNaN(+from)) from = this.length;
    const bytes = typeof value === "number" ? [value & 0xff] : typeof value === "string" ? encode(value, encoding) : value;
    for (let i = Math.min(from < 0 ? this.length + from : from, this.length - bytes.length); i >= 0; i--) {
      if (isAt(this, bytes, i)) return i;
    }
    return -1;
  }
  includes(value, from = 0, encoding = "utf8") { return this.indexOf(value, from, encoding) >= 0; }

  [Symbol.for("nodejs.util.inspect.custom")]() {
    const shown = plain(this).subarray(0, 50).toHex().replace(/..(?=.)/g, "$& ");
    return `<Buffer${shown ? " " + shown : ""}${this.length > 50 ? ` ... ${this.length - 50} more bytes` : ""}>`;
  }
}

defineNumbers(Buffer.prototype);

function view(bytes) { return new Buffer(bytes.buffer, bytes.byteOffset, bytes.byteLength); }

function isAt(buffer, bytes, at) {
  let same = 0;
  while (same < bytes.length && buffer[at + same] === bytes[same]) same++;
  return same === bytes.length;
}

function checkSize(size) {
  if (!Number.isInteger(size) || size < 0) throw new RangeError(`Buffer: ${String(size)} is not a size in bytes`);
  return size;
}
