// The other side of `isolate.eval`: what the code in this instance has, and how
// its result goes back. The answer's header `footpath-isolate` says what the body
// is: `value`, the result in the wire form; `response`, a response that the code
// returned; without it, what the code itself wrote to `res`.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";
import { current, checkStatus } from "footpath:answer/node.js";
import { encode, decode } from "footpath:isolate/wire.js";

export const HEADER = "footpath-isolate";

const values = Object.create(null);
let passed = [];

const PARAMETERS = ["req", "res", "metadata", "shared"];

/** Gives this instance what was passed: names, and name and encoded value of data. */
export function enter(spec) {
  passed = spec.passed;
  for (const [name, text] of spec.data) {
    values[name] = decode(text);
    if (!PARAMETERS.includes(name)) {
      Object.defineProperty(globalThis, name, { value: values[name], writable: true, configurable: true, enumerable: false });
    }
  }
  if (!passed.includes("console")) silence();
}

/** The handler's arguments: what was passed, and nothing else. */
export function parameters() {
  return PARAMETERS.map((name) => (passed.includes(name) ? current[name] : values[name]));
}

// A console that was not passed has the functions, and nobody listens.
function silence() {
  const quiet = {};
  for (const name of Object.keys(globalThis.console)) quiet[name] = typeof globalThis.console[name] === "function" ? () => {} : globalThis.console[name];
  globalThis.console = quiet;
}

/** Sends a result that is not undefined, or nothing that `res` was used for. */
export function finish(result, done, fail) {
  if (current.state.started) return use("answer/result.js").send(result, done, fail);
  if (isResponse(result)) {
    current.res.setHeader(HEADER, "response");
    return use("answer/result.js").send(result, done, fail);
  }
  if (result instanceof Error) return fail(result);
  if (["function", "symbol"].includes(typeof result)) throw new TypeError(`a handler cannot return a ${typeof result}`);
  const text = encode(result, "the result");
  current.res.setHeader(HEADER, "value");
  native.respond(checkStatus(current.res.statusCode), current.flatHeaders(null), text);
  current.state.started = current.state.ended = true;
  done();
}

// What is sent as a body of its own, and not as data.
function isResponse(value) {
  if (typeof value !== "object" || value === null) return false;
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  return ["Response", "Blob", "File", "FormData", "ReadableStream"].includes(tag) ||
    typeof (value.textStream ?? value)[Symbol.asyncIterator] === "function";
}
