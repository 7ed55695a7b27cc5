// The Web style: `handler(request, env, ctx)` with a Request, `process.env` and
// `{ waitUntil, passThroughOnException, metadata, shared }`.

import { use } from "footpath:lazy.js";
import { script } from "footpath:load.js";
import { current } from "footpath:answer/node.js";

const { incomingRequest } = use("web/http.js");
const { process } = use("node/process.js");

// Made when the script is published, for the first call of an instance.
let prepared = prepare();

function prepare() {
  const exchange = current;
  const ctx = {
    /** What must end before the call is over, though the answer need not wait for it. */
    waitUntil(promise) {
      const one = Promise.resolve(promise);
      // How it ends is logged, and never the answer.
      one.catch(() => {});
      (exchange.background ??= []).push(one);
    },
    passThroughOnException() {},
    metadata: exchange.metadata,
  };
  if (script.shared) ctx.shared = globalThis.shared;
  return { request: incomingRequest(), ctx };
}

/** Calls the handler with the request that is being answered. */
export function callHandler() {
  const { request, ctx } = prepared ?? prepare();
  prepared = null;
  const { handler } = script;
  return handler(request, process.env, ctx);
}
