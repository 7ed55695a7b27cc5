// TextEncoderStream and TextDecoderStream (Encoding Standard section 7.5 and 7.6).

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";

const { TransformStream } = use("web/streams.js");
const { TextDecoder } = use("web/encoding.js");

export class TextEncoderStream {
  #transform;

  constructor() {
    // A pair of surrogates may be split between two chunks.
    let held = "";
    this.#transform = new TransformStream({
      transform(chunk, controller) {
        let text = held + String(chunk);
        held = "";
        const last = text.charCodeAt(text.length - 1);
        if (last >= 0xd800 && last <= 0xdbff) {
          held = text.slice(-1);
          text = text.slice(0, -1);
        }
        if (text !== "") controller.enqueue(native.utf8Encode(text));
      },
      flush(controller) {
        if (held !== "") controller.enqueue(native.utf8Encode(held));
      },
    });
  }

  get encoding() { return "utf-8"; }
  get readable() { return this.#transform.readable; }
  get writable() { return this.#transform.writable; }
}

export class TextDecoderStream {
  #decoder;
  #transform;

  constructor(label = "utf-8", options = {}) {
    const decoder = this.#decoder = new TextDecoder(label, options);
    this.#transform = new TransformStream({
      transform(chunk, controller) {
        const text = decoder.decode(chunk, { stream: true });
        if (text !== "") controller.enqueue(text);
      },
      flush(controller) {
        const text = decoder.decode();
        if (text !== "") controller.enqueue(text);
      },
    });
  }

  get encoding() { return this.#decoder.encoding; }
  get fatal() { return this.#decoder.fatal; }
  get ignoreBOM() { return this.#decoder.ignoreBOM; }
  get readable() { return this.#transform.readable; }
  get writable() { return this.#transform.writable; }
}
