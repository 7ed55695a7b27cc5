// TextEncoder and TextDecoder (Encoding Standard). The encodings: UTF-8, UTF-16LE
// and windows-1252, each with all its labels.

import { native } from "footpath:native.js";

const LABELS = {
  "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
  "utf-16le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
  "windows-1252": "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 " +
    "iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
};

function encodingOf(label) {
  const wanted = String(label).replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, "").toLowerCase();
  for (const name in LABELS) if (LABELS[name].split(" ").includes(wanted)) return name;
  throw new RangeError(`TextDecoder: ${JSON.stringify(String(label))} is not supported; there are utf-8, utf-16le and windows-1252 (latin1)`);
}

/** The bytes of a BufferSource, not copied. */
export function bytesOf(source) {
  if (source instanceof Uint8Array) return source;
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  if (source instanceof ArrayBuffer || source instanceof SharedArrayBuffer) return new Uint8Array(source);
  throw new TypeError("an ArrayBuffer or a view of one is required");
}

export class TextEncoder {
  get encoding() { return "utf-8"; }

  encode(text = "") { return native.utf8Encode(`${text}`); }

  encodeInto(text, target) {
    if (!(target instanceof Uint8Array)) throw new TypeError("TextEncoder.encodeInto: a Uint8Array is required");
    const [read, written] = native.utf8EncodeInto(`${text}`, target);
    return { read, written };
  }
}

export class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBOM;
  /** Bytes at the end of the last chunk that are the start of a character. */
  #held = null;
  /** Whether a byte order mark could still come. */
  #atStart = true;

  constructor(label = "utf-8", options = {}) {
    this.#encoding = encodingOf(label);
    this.#fatal = Boolean(options?.fatal);
    this.#ignoreBOM = Boolean(options?.ignoreBOM);
  }

  get encoding() { return this.#encoding; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBOM; }

  decode(input = undefined, options = {}) {
    const stream = Boolean(options?.stream);
    let bytes = input === undefined ? new Uint8Array(0) : bytesOf(input);
    if (this.#held !== null) {
      const joined = new Uint8Array(this.#held.length + bytes.length);
      joined.set(this.#held);
      joined.set(bytes, this.#held.length);
      bytes = joined;
      this.#held = null;
    }
    if (stream) {
      const keep = this.#tail(bytes);
      if (keep > 0) {
        this.#held = bytes.slice(bytes.length - keep);
        bytes = bytes.subarray(0, bytes.length - keep);
      }
    }
    let text;
    try {
      text = this.#whole(bytes);
    } catch (error) {
      this.#atStart = true;
      this.#held = null;
      throw error;
    }
    if (this.#atStart && text !== "") {
      this.#atStart = false;
      if (!this.#ignoreBOM && this.#encoding !== "windows-1252" && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    if (!stream) this.#atStart = true;
    return text;
  }

  #whole(bytes) {
    if (this.#encoding === "utf-8") return native.utf8Decode(bytes, this.#fatal);
    return this.#encoding === "utf-16le" ? native.utf16Decode(bytes, this.#fatal) : native.latin1Decode(bytes, true);
  }

  // How many bytes at the end are an incomplete character.
  #tail(bytes) {
    if (this.#encoding === "utf-8") return native.utf8Tail(bytes);
    if (this.#encoding === "windows-1252") return 0;
    const odd = bytes.length % 2;
    const high = bytes[bytes.length - odd - 1];
    return bytes.length - odd >= 2 && high >= 0xd8 && high <= 0xdb ? odd + 2 : odd;
  }
}

Object.defineProperty(TextEncoder.prototype, Symbol.toStringTag, { value: "TextEncoder", configurable: true });
Object.defineProperty(TextDecoder.prototype, Symbol.toStringTag, { value: "TextDecoder", configurable: true });
