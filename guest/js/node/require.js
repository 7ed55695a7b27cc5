// `require` for scripts that were written for Node: a few modules, most of them
// globals here, and a clear error for the rest.

import { use } from "footpath:lazy.js";

const INSTEAD = {
  fs: "the text files of the deployment are read with the global `fs`, data with a relative import",
  "fs/promises": "the text files of the deployment are read with the global `fs`, data with a relative import",
  http: "use fetch", https: "use fetch", http2: "use fetch", net: "use fetch", tls: "use fetch", dns: "use fetch",
  path: "paths are URLs here; use URL",
  util: "use console.log, structuredClone, TextEncoder",
  events: "EventTarget is a global",
  stream: "ReadableStream and its kin are globals",
  "stream/promises": "ReadableStream and its kin are globals",
  child_process: "handlers cannot start processes",
  worker_threads: "a handler is one thread; call another route with fetch",
  os: "a handler has no operating system",
  perf_hooks: "performance is a global",
  querystring: "URLSearchParams is a global",
  zlib: "the server compresses answers", assert: "throw an Error", vm: "use isolate.eval", module: "use a relative import",
};

const pick = (...names) => Object.fromEntries(names.map((name) => [name, globalThis[name]]));

// `src/compile/node.rs` says what can be imported from each.
const MODULES = {
  buffer: () => pick("Buffer", "Blob", "File", "atob", "btoa"),
  process: () => globalThis.process,
  crypto: () => use("node/crypto.js"),
  timers: () => pick("setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate"),
  "timers/promises": () => ({
    setTimeout: (delay, value, options) => waiting((done) => globalThis.setTimeout(done, delay, value), globalThis.clearTimeout, options),
    setImmediate: (value, options) => waiting((done) => globalThis.setImmediate(done, value), globalThis.clearImmediate, options),
  }),
  url: () => pick("URL", "URLSearchParams"),
};

// A promise of what a timer gives, unless the signal aborts it first.
function waiting(start, clear, { signal } = {}) {
  return new Promise((done, fail) => {
    signal?.throwIfAborted();
    const timer = start(done);
    signal?.addEventListener("abort", () => {
      clear(timer);
      fail(signal.reason);
    }, { once: true });
  });
}

const loaded = Object.create(null);

export function require(specifier) {
  const name = String(specifier).replace(/^node:/, "");
  if (Object.hasOwn(MODULES, name)) return loaded[name] ??= MODULES[name]();
  const advice = Object.hasOwn(INSTEAD, name) ? INSTEAD[name]
    : /^[./]/.test(name) ? "write `import` for files of the deployment"
    : String(specifier).startsWith("node:") ? "this module of Node does not exist here"
    : "packages are not installed here; bundle it into a file and import that";
  throw Object.assign(new Error(`Cannot find module '${specifier}': ${advice}`), { code: "MODULE_NOT_FOUND" });
}
