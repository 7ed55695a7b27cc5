// One request, from the native request to the native answer.

import { native } from "footpath:native.js";
import { script, importHandler, describe } from "footpath:load.js";

export function answer() {
  run().then(native.finished, (error) => { native.fail(JSON.stringify(describe(error))); native.finished(); });
}

export function unhandled(reason) {
  native.fail(JSON.stringify({ ...describe(reason), unhandled: true }));
  native.finished();
}

export function stuck() {
  native.fail(JSON.stringify({ name: "NeverSettles", message: "the handler waits for a promise that nothing can settle", stack: "" }));
}

async function run() {
  if (script.deferred) await importHandler();
  const result = await script.handler({ url: native.target(), method: native.method() }, {}, {}, {});
  native.respond(200, ["content-type", "application/json"], JSON.stringify(result ?? null));
}
