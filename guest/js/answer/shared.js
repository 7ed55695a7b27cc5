// `shared`: one object per deployment, kept in the host's memory. It is loaded
// when the script first touches it; keys whose JSON has changed are stored before
// the answer is sent and when the handler ends. Values are JSON; the last write of
// a key wins. In the portable form it is a plain object of the instance.

import { native } from "footpath:native.js";
import { atNextCall } from "footpath:call.js";
import { script } from "footpath:load.js";

/** What the script sees; null until it is touched. */
let values = null;
/** Key to JSON text, as the host has it. */
let stored = null;

function touch() {
  if (values !== null) return values;
  if (!script.spec.portable) atNextCall(() => { values = stored = null; });
  values = {};
  stored = new Map();
  if (!script.spec.portable) {
    const flat = native.sharedLoad();
    for (let i = 0; i < flat.length; i += 2) {
      stored.set(flat[i], flat[i + 1]);
      Reflect.defineProperty(values, flat[i], { value: JSON.parse(flat[i + 1]), writable: true, enumerable: true, configurable: true });
    }
  }
  return values;
}

export const shared = new Proxy({}, {
  get: (_, key) => touch()[key],
  set: (_, key, value) => Reflect.set(touch(), key, value),
  has: (_, key) => key in touch(),
  deleteProperty: (_, key) => Reflect.deleteProperty(touch(), key),
  ownKeys: () => Reflect.ownKeys(touch()),
  getOwnPropertyDescriptor: (_, key) => Reflect.getOwnPropertyDescriptor(touch(), key),
  defineProperty: (_, key, descriptor) => Reflect.defineProperty(touch(), key, { ...descriptor, configurable: true }),
  preventExtensions: () => false,
});

/** Stores what has changed since it was loaded or last stored. */
export function save() {
  if (values === null || script.spec.portable) return;
  const changes = [];
  for (const key of Object.keys(values)) {
    const json = toJson(key, values[key]);
    if (json !== (stored.get(key) ?? null)) changes.push(key, json);
  }
  for (const key of stored.keys()) if (!Object.hasOwn(values, key)) changes.push(key, null);
  if (changes.length === 0) return;
  native.sharedStore(changes);
  for (let i = 0; i < changes.length; i += 2) {
    if (changes[i + 1] === null) stored.delete(changes[i]);
    else stored.set(changes[i], changes[i + 1]);
  }
}

function toJson(key, value) {
  let json;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw new TypeError(`shared.${key} cannot be kept: ${error.message}`, { cause: error });
  }
  if (json === undefined && value !== undefined) throw new TypeError(`shared.${key} cannot be kept: a ${typeof value} is not JSON`);
  return json ?? null;
}
