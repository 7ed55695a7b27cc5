// Defines what a script finds on globalThis (WinterTC Minimum Common Web API, and
// the few names of Node that scripts expect).

import { native } from "footpath:native.js";
import { defineGlobals } from "footpath:lazy.js";

function define(target, name, value) {
  Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
}

// QuickJS seeds its own generator when the engine is built.
define(Math, "random", native.random);
define(globalThis, "self", globalThis);
define(globalThis, "global", globalThis);
define(globalThis, "navigator", Object.freeze({ userAgent: "Footpath" }));

delete globalThis.console;
defineGlobals("web/console.js", ["console"]);
defineGlobals("web/url.js", ["URL", "URLSearchParams"]);
defineGlobals("web/urlpattern.js", ["URLPattern"]);
defineGlobals("web/encoding.js", ["TextEncoder", "TextDecoder"]);
defineGlobals("web/encoding_streams.js", ["TextEncoderStream", "TextDecoderStream"]);
defineGlobals("web/events.js", [
  "Event", "CustomEvent", "ErrorEvent", "MessageEvent", "PromiseRejectionEvent", "EventTarget",
  "AbortController", "AbortSignal",
]);
defineGlobals("web/report.js", [
  "reportError", "addEventListener", "removeEventListener", "dispatchEvent",
]);
defineGlobals("web/blob.js", ["Blob", "File", "FormData"]);
defineGlobals("web/http.js", ["Headers", "Request", "Response"]);
defineGlobals("web/fetch.js", ["fetch"]);
defineGlobals("web/streams.js", [
  "ReadableStream", "ReadableStreamDefaultReader", "ReadableStreamBYOBReader", "ReadableStreamBYOBRequest",
  "ReadableStreamDefaultController", "ReadableByteStreamController", "WritableStream",
  "WritableStreamDefaultWriter", "WritableStreamDefaultController", "TransformStream",
  "TransformStreamDefaultController", "ByteLengthQueuingStrategy", "CountQueuingStrategy",
]);
defineGlobals("web/timers.js", [
  "setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate",
]);
defineGlobals("web/clone.js", ["structuredClone"]);
defineGlobals("web/performance.js", ["performance"]);
defineGlobals("web/crypto.js", ["crypto", "Crypto", "CryptoKey", "SubtleCrypto"]);
defineGlobals("node/buffer.js", ["Buffer"]);
defineGlobals("node/process.js", ["process"]);
defineGlobals("node/require.js", ["require"]);
defineGlobals("kv.js", ["kv"]);
defineGlobals("acme.js", ["acme"]);
defineGlobals("answer/shared.js", ["shared"]);
defineGlobals("ai.js", ["model", "generateText", "streamText", "generateObject", "ai"]);
defineGlobals("isolate.js", ["isolate"]);
defineGlobals("fs.js", ["fs"]);
