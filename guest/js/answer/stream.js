// The body of a response that goes out in parts.

import { native } from "footpath:native.js";

/** Writes in order; what the host does not take yet waits here. */
export class Outgoing {
  #out;
  #queue = [];
  #pumping = false;
  #ended = null;

  constructor(out) { this.#out = out; }

  /** False when it had to be queued; then `drained` is called once all is written. */
  write(bytes, drained) {
    if (this.#out === null) return false;
    if (!this.#pumping) {
      bytes = this.#offer(bytes);
      if (bytes === null) return true;
    }
    this.#queue.push(bytes);
    if (!this.#pumping) this.#pump(drained);
    return false;
  }

  // The part that was not taken, or null.
  #offer(bytes) {
    try {
      while (bytes.length > 0) {
        const taken = this.#out.write(bytes);
        if (taken === 0) return bytes;
        bytes = bytes.subarray(taken);
      }
    } catch {
      // The caller went away, which is not the script's failure.
      this.#out = null;
      this.#queue.length = 0;
    }
    return null;
  }

  async #pump(drained) {
    this.#pumping = true;
    while (this.#queue.length > 0 && this.#out !== null) {
      const rest = this.#offer(this.#queue[0]);
      if (rest === null) this.#queue.shift();
      else {
        this.#queue[0] = rest;
        await this.#out.wait();
      }
    }
    this.#pumping = false;
    if (this.#ended) this.#complete();
    else drained?.();
  }

  #complete() {
    this.#out?.finish();
    this.#out = null;
    this.#ended();
  }

  /** The body is complete once what is queued is written; then calls `ended`. */
  finish(ended) {
    this.#ended = ended;
    if (!this.#pumping) this.#complete();
  }

  /** The caller sees a broken transfer. */
  abort() {
    this.#out?.abort();
    this.#out = null;
    this.#queue.length = 0;
  }

  /** Writes with backpressure. False when nobody reads any more. */
  async send(bytes) {
    while (bytes !== null && this.#out !== null) {
      bytes = this.#offer(bytes);
      if (bytes !== null) await this.#out.wait();
    }
    return this.#out !== null;
  }
}

/** The bytes of one part of a stream: text or bytes. */
export function chunkBytes(chunk) {
  if (typeof chunk === "string") return native.utf8Encode(chunk);
  if (chunk instanceof Uint8Array) return chunk;
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError(`a part of a streamed body is text or bytes, not ${chunk === null ? "null" : typeof chunk}`);
}

/** Sends what an iterator gives, until it or its reader ends. */
export async function pump(outgoing, iterator) {
  for (;;) {
    const { done, value } = await iterator.next();
    if (done) return;
    if (!(await outgoing.send(chunkBytes(value)))) {
      await iterator.return?.();
      return;
    }
  }
}
