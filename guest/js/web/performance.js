// performance (High Resolution Time). The time origin is the zero of the host's
// monotonic clock, so it is read afresh in each call.

import { native } from "footpath:native.js";
import { perCall } from "footpath:call.js";

let origin = null;
perCall(() => { origin = null; });

export const performance = {
  now() { return native.now(); },
  get timeOrigin() { return origin ??= Date.now() - native.now(); },
  toJSON() { return { timeOrigin: performance.timeOrigin }; },
};

Object.defineProperty(performance, Symbol.toStringTag, { value: "Performance", configurable: true });
