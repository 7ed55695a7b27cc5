// Blob and File (File API), FormData (XHR Standard section 4). Contents are in
// memory. Also the two formats that forms are sent in.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";

let bytesOf, blobOver;

/** The contents of a blob, not copied. */
export function blobBytes(blob) { return bytesOf(blob); }

function partBytes(part, native_) {
  if (part instanceof Blob) return bytesOf(part);
  if (part instanceof ArrayBuffer) return new Uint8Array(part);
  if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
  const text = `${part}`;
  return native.utf8Encode(native_ ? text.replace(/\r\n?/g, "\n") : text);
}

function normaliseType(type) {
  type = `${type}`;
  return /[^\x20-\x7e]/.test(type) ? "" : type.toLowerCase();
}

export class Blob {
  #bytes;
  #type;

  constructor(parts = undefined, options = {}) {
    if (parts !== undefined && (typeof parts !== "object" || parts === null || parts[Symbol.iterator] === undefined)) {
      throw new TypeError("Blob: the parts are not a list");
    }
    const chunks = [...parts ?? []].map((part) => partBytes(part, options?.endings === "native"));
    this.#bytes = joined(chunks);
    this.#type = normaliseType(options?.type ?? "");
  }

  get size() { return this.#bytes.length; }
  get type() { return this.#type; }

  slice(start = 0, end = this.size, type = "") {
    const from = clamp(start, this.size);
    return blobOver(this.#bytes.subarray(from, Math.max(from, clamp(end, this.size))), normaliseType(type));
  }

  stream() { return new (use("web/http.js").Body)(this.#bytes).stream; }
  async text() { return native.utf8Decode(this.#bytes, false).replace(/^\uFEFF/, ""); }
  async bytes() { return this.#bytes.slice(); }
  async arrayBuffer() { return this.#bytes.slice().buffer; }

  static {
    bytesOf = (blob) => blob.#bytes;
    blobOver = (bytes, type) => {
      const blob = new Blob();
      blob.#bytes = bytes;
      blob.#type = type;
      return blob;
    };
  }
}

function clamp(position, size) {
  position = Math.trunc(Number(position)) || 0;
  return position < 0 ? Math.max(0, size + position) : Math.min(position, size);
}

function joined(chunks) {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

export class File extends Blob {
  #name;
  #lastModified;

  constructor(parts, name, options = {}) {
    if (arguments.length < 2) throw new TypeError("File: the parts and a name are required");
    super(parts, options);
    this.#name = `${name}`.toWellFormed();
    this.#lastModified = options?.lastModified === undefined ? Date.now() : Math.trunc(Number(options.lastModified)) || 0;
  }

  get name() { return this.#name; }
  get lastModified() { return this.#lastModified; }
  get webkitRelativePath() { return ""; }
}

export class FormData {
  /** [name, text or File] in order. */
  #entries = [];

  constructor(form = undefined) {
    if (form !== undefined) throw new TypeError("FormData: there are no form elements here; append the entries");
  }

  append(name, value, filename = undefined) {
    this.#entries.push(entry(arguments, "append", name, value, filename));
  }
  set(name, value, filename = undefined) {
    const added = entry(arguments, "set", name, value, filename);
    const at = this.#entries.findIndex(([one]) => one === added[0]);
    if (at < 0) this.#entries.push(added);
    else this.#entries = this.#entries.filter(([one], i) => one !== added[0] || i === at).map((one) => (one[0] === added[0] ? added : one));
  }
  delete(name) { this.#entries = this.#entries.filter(([one]) => one !== usv(name)); }
  get(name) { return this.#entries.find(([one]) => one === usv(name))?.[1] ?? null; }
  getAll(name) { return this.#entries.filter(([one]) => one === usv(name)).map(([, value]) => value); }
  has(name) { return this.#entries.some(([one]) => one === usv(name)); }
  forEach(callback, thisArgument) {
    for (const [name, value] of this) callback.call(thisArgument, value, name, this);
  }
  *entries() { for (let i = 0; i < this.#entries.length; i++) yield [...this.#entries[i]]; }
  *keys() { for (const [name] of this.entries()) yield name; }
  *values() { for (const [, value] of this.entries()) yield value; }
}

Object.defineProperty(FormData.prototype, Symbol.iterator, {
  value: FormData.prototype.entries, writable: true, configurable: true, enumerable: false,
});
for (const one of [Blob, File, FormData]) {
  Object.defineProperty(one.prototype, Symbol.toStringTag, { value: one.name, configurable: true });
}

function usv(value) {
  return `${value}`.toWellFormed();
}

function entry(given, method, name, value, filename) {
  if (given.length < 2) throw new TypeError(`FormData.${method}: a name and a value are required`);
  name = usv(name);
  if (value instanceof Blob) {
    if (filename === undefined && value instanceof File) return [name, value];
    const options = { type: value.type, lastModified: value instanceof File ? value.lastModified : undefined };
    return [name, new File([value], filename ?? (value instanceof File ? value.name : "blob"), options)];
  }
  if (given.length > 2 && filename !== undefined) throw new TypeError(`FormData.${method}: only a Blob can have a file name`);
  return [name, usv(value)];
}

/** A form as `{ bytes, type }` of multipart/form-data (RFC 7578). */
export function serialise(form) {
  const boundary = "----footpath" + native.randomBytes(16).toHex();
  const chunks = [];
  const escape = (text) => text.replace(/\r\n?|\n/g, "\r\n").replace(/\r/g, "%0D").replace(/\n/g, "%0A").replace(/"/g, "%22");
  for (const [name, value] of form) {
    let head = `--${boundary}\r\nContent-Disposition: form-data; name="${escape(name)}"`;
    if (typeof value === "string") {
      chunks.push(native.utf8Encode(`${head}\r\n\r\n${value.replace(/\r\n|\r|\n/g, "\r\n")}\r\n`));
    } else {
      head += `; filename="${escape(value.name)}"\r\nContent-Type: ${value.type || "application/octet-stream"}`;
      chunks.push(native.utf8Encode(head + "\r\n\r\n"), bytesOf(value), native.utf8Encode("\r\n"));
    }
  }
  chunks.push(native.utf8Encode(`--${boundary}--\r\n`));
  return { bytes: joined(chunks), type: `multipart/form-data; boundary=${boundary}` };
}

/** The form in a body, by its content type; a TypeError when it is none. */
export function parseForm(bytes, contentType) {
  const type = contentType.split(";")[0].trim().toLowerCase();
  const form = new FormData();
  if (type === "application/x-www-form-urlencoded") {
    const flat = native.formParse(native.utf8Decode(bytes, false));
    for (let i = 0; i < flat.length; i += 2) form.append(flat[i], flat[i + 1]);
  } else if (type === "multipart/form-data") {
    const boundary = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
    if (!boundary) throw new TypeError("formData: the Content-Type has no boundary");
    for (const [name, filename, partType, data] of native.multipartParse(bytes, boundary[1] ?? boundary[2])) {
      if (filename === undefined) form.append(name, native.utf8Decode(data, false));
      else form.append(name, new File([data], filename, { type: partType ?? "application/octet-stream" }));
    }
  } else {
    throw new TypeError(`formData: the Content-Type ${JSON.stringify(contentType)} is not a form`);
  }
  return form;
}
