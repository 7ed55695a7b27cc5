// Errors that nobody catches (HTML Standard section 8.1.4): `error` and
// `unhandledrejection` events on globalThis, and reportError.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";

const { EventTarget, ErrorEvent, PromiseRejectionEvent, defineHandler, dispatch } = use("web/events.js");

/** globalThis is no EventTarget itself, but has one. */
const target = new EventTarget();

export function addEventListener(...values) { target.addEventListener(...values); }
export function removeEventListener(...values) { target.removeEventListener(...values); }
export function dispatchEvent(event) { return dispatch(target, event, globalThis); }

for (const type of ["error", "unhandledrejection", "rejectionhandled"]) {
  // A script may have set the handler before anything touched this module.
  const handler = globalThis["on" + type];
  defineHandler(globalThis, type, () => target);
  globalThis["on" + type] = handler;
}

let reporting = false;

// False when a listener took care of it with preventDefault.
function reportedTo(event) {
  // An error in a listener for errors is not reported to that listener again.
  if (reporting) return true;
  reporting = true;
  try { return dispatch(target, event, globalThis); } finally { reporting = false; }
}

/** Whether a listener handled a rejection, or (without a promise) a thrown error. */
export function isHandled(reason, promise) {
  const event = promise === undefined
    ? errorEvent(reason)
    : new PromiseRejectionEvent("unhandledrejection", { promise, reason, cancelable: true });
  return !reportedTo(event);
}

function errorEvent(error) {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new ErrorEvent("error", { error, message, cancelable: true });
}

/** Tells listeners of `error`; when none handles it, it is logged with its stack. */
export function reportError(error) {
  if (arguments.length === 0) throw new TypeError("reportError: an error is required");
  if (reportedTo(errorEvent(error))) native.log(4, "Uncaught " + use("web/console.js").inspect(error));
}
