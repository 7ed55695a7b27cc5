// Errors as data for the host, and what to say about names that do not exist here.

import { use, isUsed } from "footpath:lazy.js";
import { NAMES } from "footpath:host_error.js";

const CAUSES_MAX = 8;

const NO_AI = "say `// @ai true` at the top of the script; scripts that a model wrote have none";

// Names that scripts written for other servers use, and what to use instead.
const MISSING = {
  WebSocket: "handlers cannot open sockets; use fetch",
  XMLHttpRequest: "use fetch",
  EventSource: "use fetch and read response.body",
  WebAssembly: "a handler is WebAssembly already and cannot compile more",
  Intl: "there are no locale tables; format dates with toISOString and numbers with toFixed",
  Worker: "a handler is one thread; use fetch to call another route",
  SharedWorker: "a handler is one thread; use fetch to call another route",
  BroadcastChannel: "use kv or shared to tell other calls",
  MessageChannel: "use EventTarget",
  CompressionStream: "the server compresses",
  DecompressionStream: "ask for an uncompressed answer",
  localStorage: "use kv, which is durable",
  sessionStorage: "use shared, which lasts until the server restarts",
  indexedDB: "use kv, which is durable",
  caches: "use kv or shared",
  document: "there is no page; handlers run on a server",
  window: "there is no page; use globalThis",
  Deno: "use the Web APIs and process.env",
  Bun: "use the Web APIs and process.env",
  __dirname: "handlers see no files; import data with a relative import",
  __filename: "handlers see no files; import data with a relative import",
  exports: "use export, or module.exports as a CommonJS script",
  module: "use export default",
  Atomics: "a handler is one thread; kv.increment and kv.compareAndSet are atomic among calls",
  fetch: "this script was not given outbound calls",
  kv: "this script was not given the store",
  shared: "this script was not given shared state",
  acme: "this script may not order certificates",
  ai: NO_AI,
  model: NO_AI,
  generateText: NO_AI,
  streamText: NO_AI,
  generateObject: NO_AI,
  isolate: "this script may not run other code",
  fs: "this script may not read or write files",
};

function hint(error) {
  if (!(error instanceof ReferenceError)) return "";
  const name = /^(\w+) is not defined$/.exec(error.message)?.[1];
  return Object.hasOwn(MISSING, name ?? "") ? `: ${MISSING[name]}` : "";
}

/** The frames of the script: those of the engine have no file. */
export function stackOf(error) {
  return String(error.stack ?? "").split("\n").filter((line) => !line.includes("(<null>:") && !line.includes("(native)")).join("\n");
}

/** An error as `{ name, message, stack, cause?, details? }`; anything can be thrown. */
export function describe(error, depth = 0) {
  try {
    if (error instanceof Error) {
      const data = { name: String(error.name), message: String(error.message) + hint(error), stack: stackOf(error) };
      if (error.cause !== undefined && depth < CAUSES_MAX) data.cause = describe(error.cause, depth + 1);
      if (error.name === "BadRequest" && error.details !== undefined) data.details = error.details;
      if (NAMES.has(error.name)) data.details = { code: error.code, retryAfter: error.retryAfter };
      if (error instanceof AggregateError) data.message += ` (${error.errors.map((one) => one?.message ?? one).join("; ")})`;
      return data;
    }
    if (isUsed("web/http.js") && error instanceof use("web/http.js").Response) {
      return { name: "Thrown", message: `a Response with the status ${error.status} was thrown; return it instead`, stack: "" };
    }
    return { name: "Thrown", message: typeof error === "string" ? error : JSON.stringify(error) ?? String(error), stack: "" };
  } catch {
    return { name: "Thrown", message: "something was thrown that cannot be shown", stack: "" };
  }
}
