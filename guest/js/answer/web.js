// The Web style: `handler(request, env, ctx)` with a Request, `process.env` and
// `{ waitUntil, passThroughOnException, metadata, shared }`.

import { use } from "footpath:lazy.js";
import { script } from "footpath:load.js";
import { current } from "footpath:answer/node.js";

const { incomingRequest } = use("web/http.js");
const { process } = use("node/process.js");

/** Calls the handler with the request that is being answered. */
export function callHandler() {
  const { background, metadata } = current;
  const ctx = {
    /** What must end before the call is over, though the answer need not wait for it. */
    waitUntil(promise) { background.push(Promise.resolve(promise)); },
    passThroughOnException() {},
    metadata,
  };
  if (script.shared) ctx.shared = globalThis.shared;
  return script.handler(incomingRequest(), process.env, ctx);
}
