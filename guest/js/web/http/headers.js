// Headers (Fetch Standard section 2.2 and 5.1). Names are kept in lower case,
// which is how they travel. As on other servers no header is forbidden; headers
// of a received or fixed message are immutable.

import { native } from "footpath:native.js";

const { headerName, headerValue } = native;

let make, flatOf;

export class Headers {
  /** [name, value, …] in the order of appending. */
  #flat = [];
  #immutable = false;
  /** The sorted and combined view, until something changes. */
  #sorted = null;

  constructor(init = undefined) {
    if (init === undefined) return;
    if (init === null || (typeof init !== "object" && typeof init !== "function")) {
      throw new TypeError("Headers: init is not an object or a list of pairs");
    }
    if (init instanceof Headers && init[Symbol.iterator] === Headers.prototype[Symbol.iterator]) {
      this.#flat = init.#flat.slice();
    } else if (init[Symbol.iterator] !== undefined) {
      for (const pair of init) {
        const [name, value, ...rest] = [...pair];
        if (value === undefined || rest.length > 0) throw new TypeError("Headers: each item of the list must be [name, value]");
        this.append(name, value);
      }
    } else {
      for (const key of Reflect.ownKeys(init)) {
        if (!Reflect.getOwnPropertyDescriptor(init, key)?.enumerable) continue;
        if (typeof key === "symbol") throw new TypeError("Headers: a symbol is not a header name");
        this.append(key, init[key]);
      }
    }
  }

  #change() {
    if (this.#immutable) throw new TypeError("these headers are immutable; copy them with new Headers(headers)");
    this.#sorted = null;
    return this.#flat;
  }

  append(name, value) {
    required(arguments, 2, "append");
    name = headerName(name);
    value = headerValue(value);
    this.#change().push(name, value);
  }

  delete(name) {
    required(arguments, 1, "delete");
    name = headerName(name);
    const flat = this.#change();
    for (let i = flat.length - 2; i >= 0; i -= 2) if (flat[i] === name) flat.splice(i, 2);
  }

  get(name) {
    required(arguments, 1, "get");
    name = headerName(name);
    let combined = null;
    const flat = this.#flat;
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] === name) combined = combined === null ? flat[i + 1] : combined + ", " + flat[i + 1];
    }
    return combined;
  }

  getSetCookie() {
    return this.#flat.filter((_, i, all) => i % 2 === 1 && all[i - 1] === "set-cookie");
  }

  has(name) {
    required(arguments, 1, "has");
    name = headerName(name);
    return this.#flat.some((one, i) => i % 2 === 0 && one === name);
  }

  set(name, value) {
    required(arguments, 2, "set");
    name = headerName(name);
    value = headerValue(value);
    const flat = this.#change();
    let found = false;
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] !== name) continue;
      if (found) {
        flat.splice(i, 2);
        i -= 2;
      } else {
        flat[i + 1] = value;
        found = true;
      }
    }
    if (!found) flat.push(name, value);
  }

  // "Sort and combine": by name, Set-Cookie one by one.
  #entries() {
    if (this.#sorted !== null) return this.#sorted;
    const names = [...new Set(this.#flat.filter((_, i) => i % 2 === 0))].sort();
    this.#sorted = names.flatMap((name) =>
      name === "set-cookie" ? this.getSetCookie().map((value) => [name, value]) : [[name, this.get(name)]]);
    return this.#sorted;
  }

  forEach(callback, thisArgument) {
    if (typeof callback !== "function") throw new TypeError("Headers.forEach: the callback is not a function");
    for (const [name, value] of this) callback.call(thisArgument, value, name, this);
  }

  // An iterator sees what is changed while it runs.
  *entries() {
    for (let i = 0; i < this.#entries().length; i++) yield [...this.#entries()[i]];
  }
  *keys() {
    for (const [name] of this.entries()) yield name;
  }
  *values() {
    for (const [, value] of this.entries()) yield value;
  }

  /** Headers over an existing list; for the engine only. */
  static {
    make = (flat, immutable) => {
      const headers = new Headers();
      headers.#flat = flat;
      headers.#immutable = immutable;
      return headers;
    };
    flatOf = (headers) => headers.#flat;
  }
}

/** Headers over a list that is not copied. */
export function headersOver(flat, immutable) { return make(flat, immutable); }
/** The list itself: [name, value, …]. */
export function flatHeaders(headers) { return flatOf(headers); }

function required(given, count, method) {
  if (given.length < count) throw new TypeError(`Headers.${method}: ${count} arguments are required, ${given.length} given`);
}

Object.defineProperty(Headers.prototype, Symbol.iterator, {
  value: Headers.prototype.entries, writable: true, configurable: true, enumerable: false,
});
Object.defineProperty(Headers.prototype, Symbol.toStringTag, { value: "Headers", configurable: true });
