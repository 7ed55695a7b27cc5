// Publishing: imports the script's modules and finds the handler in them. The
// shapes are those of the compiler: body, commonjs, node, web, evaluate.

import { native } from "footpath:native.js";

/** The published script: `{ call(style, handler), pattern, portable }`, or null. */
export const script = { spec: null, style: null, handler: null, deferred: false };

/** Starts loading; the function it returns gives the outcome as JSON. */
export function load(spec) {
  script.spec = { entry: spec.entry, shape: spec.shape, pattern: spec.pattern, portable: spec.portable };
  let outcome = null;
  try {
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

/** Evaluates the script; at the first line of each request when it was deferred. */
export async function importHandler() {
  const namespace = await native.importModule(script.spec.entry);
  const found = recognise(script.spec.shape, namespace.default);
  script.style = found.style;
  script.handler = found.handler;
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

/** An error as data; anything can be thrown. */
export function describe(error) {
  if (error instanceof Error) {
    const cause = error.cause === undefined ? undefined : describe(error.cause);
    return { name: String(error.name), message: String(error.message), stack: String(error.stack ?? ""), cause };
  }
  let message;
  try { message = typeof error === "string" ? error : JSON.stringify(error) ?? String(error); } catch { message = String(error); }
  return { name: "Thrown", message, stack: "" };
}
