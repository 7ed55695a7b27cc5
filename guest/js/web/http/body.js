// Bodies of requests and responses (Fetch Standard section 2.2.4 and 5.3). A body
// that is all there stays text or bytes; a ReadableStream is made only when
// somebody asks for one.

import { native } from "footpath:native.js";
import { use, isUsed } from "footpath:lazy.js";

const READ_BYTES = 65536;

/** A body that arrives from the host. */
export class Incoming {
  #body;
  #failure = null;
  #aborted;
  #abort;

  constructor(body) {
    this.#body = body;
    this.#aborted = new Promise((resolve) => { this.#abort = resolve; });
  }

  /** The next bytes, or undefined at the end. */
  async read() {
    for (;;) {
      if (this.#failure) throw this.#failure.reason;
      let chunk;
      try {
        chunk = this.#body.read(READ_BYTES);
      } catch (error) {
        throw new TypeError(`the body broke off: ${error.message}`, { cause: error });
      }
      if (chunk !== null) return chunk;
      await Promise.race([this.#body.wait(), this.#aborted]);
    }
  }

  cancel() { this.#body.cancel(); }

  /** Every read from now on fails with the reason. */
  abort(reason) {
    this.#failure = { reason };
    this.#body.cancel();
    this.#abort();
  }
}

/** The body of one message: `source` is text, Uint8Array, Incoming or ReadableStream. */
export class Body {
  #source;
  #stream = null;
  #used = false;

  constructor(source) { this.#source = source; }

  /** What `message.body` is; already cancelled when the body was used otherwise. */
  get stream() {
    const isNew = this.#stream === null;
    const stream = this.#open();
    if (isNew && this.#used && !stream.locked) stream.cancel();
    return stream;
  }

  #open() {
    if (this.#stream === null) {
      const { ReadableStream } = use("web/streams.js");
      const source = this.#source;
      if (source instanceof ReadableStream) this.#stream = source;
      else if (source instanceof Incoming) this.#stream = incomingStream(source);
      else this.#stream = wholeStream(typeof source === "string" ? native.utf8Encode(source) : source);
    }
    return this.#stream;
  }

  #shown() {
    if (this.#stream !== null) return this.#stream;
    return isUsed("web/streams.js") && this.#source instanceof use("web/streams.js").ReadableStream ? this.#source : null;
  }

  get used() { return this.#used || (this.#shown()?._disturbed ?? false); }
  get locked() { return this.#shown()?.locked ?? false; }

  /** Marks it as used; a TypeError when it was used before or somebody reads it. */
  take() {
    if (this.#stream === null && !this.#used && typeof this.#source === "string") {
      this.#used = true;
      return;
    }
    if (this.used) throw new TypeError("the body was already used");
    if (this.locked) throw new TypeError("the body's stream is locked to a reader");
    this.#used = true;
  }

  /** Text or bytes when it is all there, else undefined. */
  whole() {
    if (this.#stream !== null) return undefined;
    const source = this.#source;
    return typeof source === "string" || source instanceof Uint8Array ? source : undefined;
  }

  /** Whether it can be sent a second time, for a redirect. */
  get replayable() { return this.whole() !== undefined; }

  /** An async iterator over its bytes, after `take`. */
  async *chunks() {
    const whole = this.whole();
    if (whole !== undefined) {
      yield typeof whole === "string" ? native.utf8Encode(whole) : whole;
      return;
    }
    if (this.#stream === null && this.#source instanceof Incoming) {
      let finished = false;
      try {
        for (let chunk; (chunk = await this.#source.read()) !== undefined;) yield chunk;
        finished = true;
      } finally {
        if (!finished) this.#source.cancel();
      }
      return;
    }
    const reader = this.#open().getReader();
    let finished = false;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        if (!(value instanceof Uint8Array)) throw new TypeError("the body's stream gave something that is not a Uint8Array");
        yield value;
      }
      finished = true;
    } finally {
      if (!finished) reader.cancel().catch(() => {});
    }
  }

  async bytes() {
    const whole = this.whole();
    if (whole !== undefined) return typeof whole === "string" ? native.utf8Encode(whole) : whole.slice();
    const chunks = [];
    let length = 0;
    for await (const chunk of this.chunks()) {
      chunks.push(chunk);
      length += chunk.length;
    }
    if (chunks.length === 1) return chunks[0];
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  async text() {
    const whole = this.whole();
    const text = typeof whole === "string" ? whole.toWellFormed() : native.utf8Decode(whole ?? await this.bytes(), false);
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }

  /** A second body with the same content; streams are split. */
  clone() {
    if (this.used || this.locked) throw new TypeError("a body that is used or locked cannot be cloned");
    if (this.whole() !== undefined) return new Body(this.#source);
    const [own, other] = this.stream.tee();
    this.#stream = own;
    return new Body(other);
  }

  /** Ends a body that still arrives with an error. */
  abort(reason) {
    if (this.#source instanceof Incoming) this.#source.abort(reason);
  }
}

function incomingStream(incoming) {
  const { ReadableStream } = use("web/streams.js");
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const chunk = await incoming.read();
      if (chunk !== undefined) return controller.enqueue(chunk);
      controller.close();
      controller.byobRequest?.respond(0);
    },
    cancel: () => incoming.cancel(),
  }, { highWaterMark: 0 });
}

function wholeStream(bytes) {
  const { ReadableStream } = use("web/streams.js");
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      if (bytes.length > 0) controller.enqueue(bytes.slice());
      controller.close();
      controller.byobRequest?.respond(0);
    },
  }, { highWaterMark: 0 });
}

function iterableStream(iterable) {
  const { ReadableStream } = use("web/streams.js");
  const iterator = iterable[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(typeof value === "string" ? native.utf8Encode(value) : value);
    },
    cancel: (reason) => iterator.return?.(reason),
  }, { highWaterMark: 0 });
}

/** The type of a body of text. */
export const TEXT_TYPE = "text/plain;charset=UTF-8";

/** "Extract a body": `{ body, type }`; the type is null when the value has none. */
export function extract(value) {
  if (typeof value === "string") return { body: new Body(value), type: TEXT_TYPE };
  if (value instanceof ArrayBuffer) return { body: new Body(new Uint8Array(value).slice()), type: null };
  if (ArrayBuffer.isView(value)) {
    return { body: new Body(new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice()), type: null };
  }
  if (typeof value === "object" && value !== null) {
    if (isUsed("web/url.js") && value instanceof use("web/url.js").URLSearchParams) {
      return { body: new Body(String(value)), type: "application/x-www-form-urlencoded;charset=UTF-8" };
    }
    if (isUsed("web/blob.js")) {
      const { Blob, FormData, blobBytes, serialise } = use("web/blob.js");
      if (value instanceof Blob) return { body: new Body(blobBytes(value)), type: value.type || null };
      if (value instanceof FormData) {
        const { bytes, type } = serialise(value);
        return { body: new Body(bytes), type };
      }
    }
    if (isUsed("web/streams.js") && value instanceof use("web/streams.js").ReadableStream) {
      if (value.locked || value._disturbed) throw new TypeError("the stream is locked or was already read from");
      return { body: new Body(value), type: null };
    }
    if (typeof value[Symbol.asyncIterator] === "function") return { body: new Body(iterableStream(value)), type: null };
  }
  return { body: new Body(String(value)), type: TEXT_TYPE };
}

/** The methods that Request and Response share; `bodyOf` gives the body or null. */
export function defineBody(target, bodyOf) {
  // Every failure is a rejection, also that of a wrong `this`.
  const consume = (read) => async function () {
    const body = bodyOf(this);
    body?.take();
    return read(body ?? new Body(""), this);
  };
  const methods = {
    text: consume((body) => body.text()),
    json: consume(async (body) => JSON.parse(await body.text())),
    bytes: consume((body) => body.bytes()),
    arrayBuffer: consume(async (body) => {
      const { buffer, byteOffset, byteLength } = await body.bytes();
      return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
    }),
    blob: consume(async (body, holder) =>
      new (use("web/blob.js").Blob)([await body.bytes()], { type: holder.headers.get("content-type") ?? "" })),
    formData: consume(async (body, holder) =>
      use("web/blob.js").parseForm(await body.bytes(), holder.headers.get("content-type") ?? "")),
  };
  for (const name in methods) {
    const value = methods[name];
    Object.defineProperty(value, "name", { value: name, configurable: true });
    Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: true });
  }
  Object.defineProperties(target, {
    body: { get() { return bodyOf(this)?.stream ?? null; }, configurable: true, enumerable: true },
    bodyUsed: { get() { return bodyOf(this)?.used ?? false; }, configurable: true, enumerable: true },
  });
}
