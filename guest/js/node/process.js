// What scripts expect of Node's `process`: the environment, and little else.

import { native } from "footpath:native.js";
import { atNextCall } from "footpath:call.js";

/** The variables; null until one is asked for. In the portable form there are none. */
let variables = null;

function touch() {
  if (variables !== null) return variables;
  atNextCall(() => { variables = null; });
  variables = {};
  const flat = native.environment() ?? [];
  for (let i = 0; i < flat.length; i += 2) {
    Object.defineProperty(variables, flat[i], { value: flat[i + 1], writable: true, enumerable: true, configurable: true });
  }
  return variables;
}

const env = new Proxy({}, {
  get: (_, key) => touch()[key],
  set(_, key, value) {
    touch()[key] = String(value);
    return true;
  },
  has: (_, key) => key in touch(),
  deleteProperty: (_, key) => Reflect.deleteProperty(touch(), key),
  ownKeys: () => Reflect.ownKeys(touch()),
  getOwnPropertyDescriptor: (_, key) => Reflect.getOwnPropertyDescriptor(touch(), key),
  defineProperty: (_, key, descriptor) => Reflect.defineProperty(touch(), key, { ...descriptor, configurable: true }),
});

export const process = {
  env,
  platform: "wasi",
  arch: "wasm32",
  argv: [],
  versions: {},
  release: { name: "footpath" },
  nextTick(callback, ...values) {
    queueMicrotask(values.length > 0 ? () => callback(...values) : callback);
  },
  hrtime: Object.assign(([seconds, nanoseconds] = [0, 0]) => {
    const now = process.hrtime.bigint() - BigInt(seconds) * 1_000_000_000n - BigInt(nanoseconds);
    return [Number(now / 1_000_000_000n), Number(now % 1_000_000_000n)];
  }, { bigint: () => BigInt(Math.round(native.now() * 1e6)) }),
  uptime: () => native.now() / 1000,
  cwd() { return "/"; },
  exit() { throw new Error("process.exit: a handler ends by returning"); },
  on() { return process; },
  once() { return process; },
  off() { return process; },
  emitWarning(warning) { native.log(3, `Warning: ${warning?.message ?? warning}`); },
};

Object.defineProperty(process, Symbol.toStringTag, { value: "process", configurable: true });
