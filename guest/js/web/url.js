// URL and URLSearchParams (URL Standard), over the `url` crate.

import { native } from "footpath:native.js";

/** A parsed URL of the native kind, or null. */
export function parse(text, base) {
  try {
    return native.parseUrl(text, base ?? null);
  } catch {
    return null;
  }
}

/** Absolute URLs are normalised, relative ones stay as they are: a Location header may be either. */
export function resolve(text) {
  const url = parse(text);
  if (url !== null) return url.get("href");
  if (parse(text, "http://localhost/") === null) throw new TypeError(`${JSON.stringify(text)} is not a URL`);
  return encodeURI(text).replace(/%25([0-9a-f]{2})/gi, "%$1");
}

export class URL {
  #url;
  #params = null;

  constructor(url, base = undefined) {
    if (arguments.length === 0) throw new TypeError("URL: a URL is required");
    this.#url = native.parseUrl(String(url), base === undefined ? null : String(base));
  }

  static parse(url, base = undefined) {
    try { return new URL(url, base); } catch { return null; }
  }

  static canParse(url, base = undefined) {
    return native.canParseUrl(String(url), base === undefined ? null : String(base));
  }

  get href() { return this.#url.get("href"); }
  set href(value) {
    if (!this.#url.set("href", String(value))) throw new TypeError(`Invalid URL ${JSON.stringify(String(value))}`);
    this.#refresh();
  }
  get searchParams() {
    if (this.#params === null) {
      this.#params = new URLSearchParams(this.#url.get("query"));
      attach(this.#params, (query) => this.#url.set("query", query));
    }
    return this.#params;
  }
  get search() { return this.#url.get("search"); }
  set search(value) {
    this.#url.set("search", String(value));
    this.#refresh();
  }
  // The list of parameters follows what the URL says.
  #refresh() { if (this.#params !== null) refill(this.#params, this.#url.get("query")); }

  toString() { return this.#url.get("href"); }
  toJSON() { return this.#url.get("href"); }

  static {
    for (const part of ["origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "hash"]) {
      const accessor = { get() { return this.#url.get(part); }, enumerable: true, configurable: true };
      if (part !== "origin") accessor.set = function (value) { this.#url.set(part, String(value)); };
      Object.defineProperty(URL.prototype, part, accessor);
    }
  }
}

let attach, refill;

export class URLSearchParams {
  /** [name, value, …] */
  #flat;
  #changed = null;

  constructor(init = "") {
    if (typeof init === "object" && init !== null || typeof init === "function") this.#flat = fromObject(init);
    else this.#flat = native.formParse(String(init).replace(/^\?/, ""));
  }

  #update() { this.#changed?.(native.formSerialise(this.#flat)); }

  get size() { return this.#flat.length / 2; }

  append(name, value) {
    required(arguments, 2, "append");
    this.#flat.push(usv(name), usv(value));
    this.#update();
  }
  delete(name, value = undefined) {
    required(arguments, 1, "delete");
    name = usv(name);
    for (let i = this.#flat.length - 2; i >= 0; i -= 2) {
      if (this.#flat[i] === name && (value === undefined || this.#flat[i + 1] === usv(value))) this.#flat.splice(i, 2);
    }
    this.#update();
  }
  get(name) {
    required(arguments, 1, "get");
    name = usv(name);
    for (let i = 0; i < this.#flat.length; i += 2) if (this.#flat[i] === name) return this.#flat[i + 1];
    return null;
  }
  getAll(name) {
    required(arguments, 1, "getAll");
    name = usv(name);
    return this.#flat.filter((_, i, all) => i % 2 === 1 && all[i - 1] === name);
  }
  has(name, value = undefined) {
    required(arguments, 1, "has");
    name = usv(name);
    return this.#flat.some((one, i, all) => i % 2 === 0 && one === name && (value === undefined || all[i + 1] === usv(value)));
  }
  set(name, value) {
    required(arguments, 2, "set");
    name = usv(name);
    value = usv(value);
    let found = false;
    for (let i = 0; i < this.#flat.length; i += 2) {
      if (this.#flat[i] !== name) continue;
      if (found) {
        this.#flat.splice(i, 2);
        i -= 2;
      } else {
        this.#flat[i + 1] = value;
        found = true;
      }
    }
    if (!found) this.#flat.push(name, value);
    this.#update();
  }
  sort() {
    // By UTF-16 units, equal names in the order they had.
    const pairs = [...this.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#flat = pairs.flat();
    this.#update();
  }
  forEach(callback, thisArgument) {
    if (typeof callback !== "function") throw new TypeError("URLSearchParams.forEach: the callback is not a function");
    for (const [name, value] of this) callback.call(thisArgument, value, name, this);
  }
  *entries() { for (let i = 0; i < this.#flat.length; i += 2) yield [this.#flat[i], this.#flat[i + 1]]; }
  *keys() { for (let i = 0; i < this.#flat.length; i += 2) yield this.#flat[i]; }
  *values() { for (let i = 0; i < this.#flat.length; i += 2) yield this.#flat[i + 1]; }
  toString() { return native.formSerialise(this.#flat); }

  static {
    attach = (params, changed) => { params.#changed = changed; };
    refill = (params, query) => { params.#flat = native.formParse(query); };
  }
}

function fromObject(init) {
  if (init[Symbol.iterator] !== undefined && init[Symbol.iterator] !== null) {
    return [...init].flatMap((pair) => {
      const [name, value, ...rest] = [...pair];
      if (value === undefined || rest.length > 0) throw new TypeError("URLSearchParams: each item of the list must be [name, value]");
      return [usv(name), usv(value)];
    });
  }
  const pairs = new Map();
  for (const key of Reflect.ownKeys(init)) {
    if (!Reflect.getOwnPropertyDescriptor(init, key)?.enumerable) continue;
    pairs.set(usv(key), usv(init[key]));
  }
  return [...pairs].flat();
}

function usv(value) {
  return `${value}`.toWellFormed();
}

function required(given, count, method) {
  if (given.length < count) throw new TypeError(`URLSearchParams.${method}: ${count} arguments are required, ${given.length} given`);
}

Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, {
  value: URLSearchParams.prototype.entries, writable: true, configurable: true, enumerable: false,
});
Object.defineProperty(URL.prototype, Symbol.toStringTag, { value: "URL", configurable: true });
Object.defineProperty(URLSearchParams.prototype, Symbol.toStringTag, { value: "URLSearchParams", configurable: true });
