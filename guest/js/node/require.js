// `require` for scripts that were written for Node: a few modules that are globals
// here, and a clear error for the rest.

const INSTEAD = {
  fs: "handlers see no files; import data with a relative import",
  "fs/promises": "handlers see no files; import data with a relative import",
  http: "use fetch", https: "use fetch", net: "use fetch", tls: "use fetch", dns: "use fetch",
  url: "URL and URLSearchParams are globals",
  path: "paths are URLs here; use URL",
  util: "use console.log, structuredClone, TextEncoder",
  events: "EventTarget is a global",
  stream: "ReadableStream and its kin are globals",
  child_process: "handlers cannot start processes",
  worker_threads: "a handler is one thread; call another route with fetch",
  os: "a handler has no operating system",
};

const MODULES = {
  buffer: () => ({ Buffer: globalThis.Buffer, Blob: globalThis.Blob, File: globalThis.File, atob, btoa }),
  process: () => globalThis.process,
  crypto: () => ({ webcrypto: globalThis.crypto, randomUUID: () => globalThis.crypto.randomUUID() }),
  timers: () => ({
    setTimeout: globalThis.setTimeout, setInterval: globalThis.setInterval, setImmediate: globalThis.setImmediate,
    clearTimeout: globalThis.clearTimeout, clearInterval: globalThis.clearInterval, clearImmediate: globalThis.clearImmediate,
  }),
};

export function require(specifier) {
  const name = String(specifier).replace(/^node:/, "");
  if (Object.hasOwn(MODULES, name)) return MODULES[name]();
  const advice = Object.hasOwn(INSTEAD, name) ? INSTEAD[name]
    : /^[./]/.test(name) ? "write `import` for files of the deployment"
    : "packages are not installed here; bundle it into a file and import that";
  throw Object.assign(new Error(`Cannot find module '${specifier}': ${advice}`), { code: "MODULE_NOT_FOUND" });
}
