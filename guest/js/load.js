// Publishing: imports the script's modules and finds the handler in them. The
// shapes are those of the compiler: body, commonjs, node, web, evaluate.

import { native } from "footpath:native.js";
import { use, warm } from "footpath:lazy.js";
import { describe } from "footpath:errors.js";

/**
 * The published script: its LoadSpec without the sources, its handler, whether it has
 * `shared`, and which of `req`, `res` and `metadata` it could look at.
 */
export const script = {
  spec: null, style: null, handler: null, deferred: false, shared: false, isolate: false,
  takes: { req: true, res: true, metadata: true },
};

/** Names of capabilities, and their globals. */
const CAPABILITIES = {
  fetch: ["fetch"],
  kv: ["kv"],
  shared: ["shared"],
  ai: ["ai", "model", "generateText", "streamText", "generateObject"],
  isolate: ["isolate"],
  fs: ["fs"],
  acme: ["acme"],
};

/** Starts loading; the function it returns gives the outcome as JSON. */
export function load(spec) {
  script.spec = {
    entry: spec.entry, shape: spec.shape, pattern: spec.pattern, portable: spec.portable, rawBody: spec.rawBody === true,
  };
  for (const name in script.takes) script.takes[name] = spec.exchange.includes(name);
  let outcome = null;
  try {
    grant(spec.globals);
    prepare(spec.modules);
    if (spec.strict) refuseCodeFromText();
    if (spec.isolate) enterIsolate(spec.isolate);
    spec.declare(spec.modules);
    if (spec.deferred) outcome = defer();
    else importHandler().then(
      () => { outcome = { shape: script.style, evaluated: true }; },
      (error) => { outcome = { error: describe(error) }; },
    );
  } catch (error) {
    outcome = { error: describe(error) };
  }
  return () => JSON.stringify(outcome ?? defer());
}

// A capability that the component does not import has no global either.
function grant(globals) {
  for (const [name, own] of Object.entries(CAPABILITIES)) {
    if (!globals.includes(name)) for (const one of own) delete globalThis[one];
  }
  script.shared = globals.includes("shared");
  if (script.shared) use("answer/shared.js");
}

// What nobody has read before it was published does not make more code.
function refuseCodeFromText() {
  const refuse = (name, prototype) => {
    const refused = { [name]() { throw new EvalError(`${name}: this script cannot make code from text`); } }[name];
    Object.defineProperty(refused, "prototype", { value: prototype });
    return refused;
  };
  for (const one of [function () {}, async function () {}, function* () {}, async function* () {}]) {
    const prototype = Object.getPrototypeOf(one);
    const replaced = refuse(prototype.constructor.name, prototype);
    Object.defineProperty(prototype, "constructor", { value: replaced, writable: false, configurable: false });
    if (replaced.name === "Function") Object.defineProperty(globalThis, "Function", { value: replaced, writable: false, configurable: false });
  }
  Object.defineProperty(globalThis, "eval", { value: refuse("eval"), writable: false, configurable: false });
}

function enterIsolate(spec) {
  script.isolate = true;
  use("isolate/inside.js").enter(spec);
}

// Evaluates what the script will need, while it costs no request anything.
function prepare(modules) {
  const words = warm(modules.map(([, code]) => code));
  if (words.has("fetch")) use("web/http.js");
  if (words.has("env")) use("node/process.js");
  if (["getReader", "pipeTo", "pipeThrough", "textStream", "tee"].some((word) => words.has(word))) use("web/streams.js");
  if (script.spec.shape === "web") use("answer/web.js");
  if (["body", "rawBody", "files"].some((word) => words.has(word))) use("answer/body.js");
  use("answer/result.js");
}

/** Evaluates the script; at the first line of each request when it was deferred. */
export async function importHandler() {
  const namespace = await native.importModule(script.spec.entry);
  const found = recognise(script.spec.shape, namespace.default);
  script.style = found.style;
  script.handler = found.handler;
  if (found.style === "web") use("answer/web.js");
}

// Top-level code that waits for I/O cannot run without a request.
function defer() {
  script.deferred = true;
  return { shape: script.spec.shape, evaluated: false };
}

function recognise(shape, value) {
  if (typeof value === "function") {
    if (shape === "web") return { style: "web", handler: value };
    if (shape !== "evaluate" || value.length >= 2 || value.length === 0) return { style: "node", handler: value };
    throw new TypeError(
      "the default export is a function of one parameter that was made elsewhere, so whether it takes (req, res) " +
      "or a Web Request is unclear: export `{ fetch: handler }` for a Web Request, or `(req, res) => handler(req, res)`",
    );
  }
  if (value !== null && typeof value === "object" && typeof value.fetch === "function") {
    return { style: "web", handler: value.fetch.bind(value) };
  }
  const what = shape === "commonjs" ? "module.exports" : "the default export";
  throw new TypeError(`${what} is ${value === null ? "null" : typeof value}: it must be a function or an object with a fetch function`);
}
