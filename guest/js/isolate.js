// `isolate.eval(code, { req, res, fetch, … })`: code in a fresh instance that has
// only what is passed. Data is copied; `req` and `res` arrive as such, and what the
// code did to `res` comes back; of functions only `fetch` and `console` pass.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";
import { hostCall } from "footpath:host_error.js";
import { current, HOP_BY_HOP } from "footpath:answer/node.js";
import { encode, decode } from "footpath:isolate/wire.js";
import { HEADER } from "footpath:isolate/inside.js";

const NO_BODY = new Uint8Array(0);

async function evaluate(code, bindings = {}) {
  if (typeof code !== "string") throw new TypeError(`isolate.eval: code is text, not ${code === null ? "null" : typeof code}`);
  if (bindings === null || typeof bindings !== "object") throw new TypeError("isolate.eval: what is passed is an object such as { req, res, fetch }");
  const { passed, data } = sort(bindings);
  const request = passed.includes("req")
    ? { method: native.method(), target: native.target(), headers: native.headers(), body: current.parsed?.rawBody ?? NO_BODY }
    : { method: "GET", target: "/", headers: [], body: NO_BODY };
  const outcome = hostCall("IsolateError", () => native.isolateEval(code, request, passed, data));
  return conclude(outcome, passed.includes("res"));
}

function sort(bindings) {
  const passed = [];
  const data = [];
  for (const [name, value] of Object.entries(bindings)) {
    if (!native.isIdentifier(name)) throw new TypeError(`isolate.eval: ${JSON.stringify(name)} is not a name`);
    if (name === "req" && value === current.req || name === "res" && value === current.res) passed.push(name);
    else if (name === "fetch" && typeof value === "function" && value === globalThis.fetch) passed.push(name);
    else if (name === "console" && value === globalThis.console) passed.push(name);
    else if (name === "res") throw new TypeError("isolate.eval: only the script's own res can be passed as res");
    else data.push(name, encode(value, name));
  }
  return { passed, data };
}

function conclude({ status, headers, body }, hasRes) {
  let kind = null;
  const flat = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i].toLowerCase();
    if (name === HEADER) kind = headers[i + 1];
    else if (!HOP_BY_HOP.has(name) && name !== "content-length") flat.push(name, headers[i + 1]);
  }
  if (kind === "response") {
    const pairs = [];
    for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i], flat[i + 1]]);
    const { Response } = use("web/http.js");
    return new Response([204, 205, 304].includes(status) ? null : body, { status, headers: pairs });
  }
  if (hasRes && !current.res.headersSent) {
    current.res.statusCode = status;
    for (let i = 0; i < flat.length; i += 2) current.res.appendHeader(flat[i], flat[i + 1]);
    if (kind === null) current.hold(body);
  }
  return kind === "value" ? decode(native.utf8Decode(body, false)) : undefined;
}

export const isolate = Object.freeze({ eval: evaluate });
