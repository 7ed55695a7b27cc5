// Timers (HTML Standard section 8.6), with setImmediate of Node. They are a queue
// in the engine; the host wakes it for the earliest.

import { native } from "footpath:native.js";

/** The longest delay, in ms; a longer one is 1 ms, as in Node. */
const DELAY_MS_MAX = 2147483647;

// Node gives an object, browsers a number; this is both.
class Timeout {
  #id;
  constructor(id) { this.#id = id; }
  [Symbol.toPrimitive]() { return this.#id; }
  ref() { return this; }
  unref() { return this; }
  hasRef() { return true; }
  close() { native.clearTimer(this.#id); return this; }
}

function start(callback, delay, values, repeat) {
  if (typeof callback !== "function") {
    throw new TypeError(`the callback of a timer must be a function, not ${callback === null ? "null" : typeof callback}`);
  }
  delay = Number(delay);
  if (!(delay >= 1)) delay = repeat || delay > 0 ? 1 : 0;
  if (delay > DELAY_MS_MAX) delay = 1;
  return new Timeout(native.setTimer(values.length > 0 ? () => callback(...values) : () => callback(), Math.trunc(delay), repeat));
}

function stop(timer) {
  const id = Number(timer ?? 0);
  if (id > 0) native.clearTimer(id);
}

export function setTimeout(callback, delay = 0, ...values) { return start(callback, delay, values, false); }
export function setInterval(callback, delay = 0, ...values) { return start(callback, delay, values, true); }
export function setImmediate(callback, ...values) { return start(callback, 0, values, false); }
export function clearTimeout(timer) { stop(timer); }
export function clearInterval(timer) { stop(timer); }
export function clearImmediate(timer) { stop(timer); }
