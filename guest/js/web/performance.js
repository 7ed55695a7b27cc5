// performance (High Resolution Time). The time origin is the zero of the host's
// monotonic clock, so it is read afresh in each call.

import { native } from "footpath:native.js";
import { atNextCall } from "footpath:call.js";

let origin = null;

function timeOrigin() {
  atNextCall(() => { origin = null; });
  return Date.now() - native.now();
}

export const performance = {
  now() { return native.now(); },
  get timeOrigin() { return origin ??= timeOrigin(); },
  toJSON() { return { timeOrigin: performance.timeOrigin }; },
};

Object.defineProperty(performance, Symbol.toStringTag, { value: "Performance", configurable: true });
