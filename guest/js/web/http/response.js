// Response (Fetch Standard section 5.5).

import { Headers, headersOver, flatHeaders } from "footpath:web/http/headers.js";
import { Body, TEXT_TYPE, defineBody, extract } from "footpath:web/http/body.js";
import { use } from "footpath:lazy.js";

const NULL_BODY = new Set([101, 103, 204, 205, 304]);
/** What a response that a script makes has. */
const USUAL = { statusText: "", type: "default", url: "", redirected: false };
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

let internalsOf, received;

export class Response {
  #status = 200;
  /** `{ statusText, type, url, redirected }` when it is not the usual. */
  #more = USUAL;
  /** Headers only once somebody asks for them; until then the list. */
  #headers = null;
  #flat = [];
  #body = null;

  constructor(body = null, init = undefined) {
    if (init !== undefined && init !== null) this.#start(init);
    if (body === null || body === undefined) return;
    if (this.#status !== 200 && NULL_BODY.has(this.#status)) throw new TypeError(`a response with status ${this.#status} cannot have a body`);
    if (typeof body === "string") {
      this.#body = new Body(body);
      this.#addType(TEXT_TYPE);
    } else {
      const extracted = extract(body);
      this.#body = extracted.body;
      this.#addType(extracted.type);
    }
  }

  #start(init) {
    if (typeof init !== "object" && typeof init !== "function") throw new TypeError("Response: init is not an object");
    if (init.status !== undefined) {
      this.#status = Math.trunc(Number(init.status)) || 0;
      if (this.#status < 200 || this.#status > 599) {
        throw new RangeError(`Response: the status ${String(init.status)} is not within 200 to 599`);
      }
    }
    if (init.statusText !== undefined) {
      const statusText = String(init.statusText);
      if (/[^\t\x20-\x7e\x80-\xff]/.test(statusText)) throw new TypeError("Response: statusText is not a reason phrase");
      this.#more = { ...USUAL, statusText };
    }
    if (init.headers !== undefined && init.headers !== null) this.#flat = flatHeaders(new Headers(init.headers));
  }

  // The type of a body, unless the script said another.
  #addType(type) {
    if (type === null) return;
    for (let i = 0; i < this.#flat.length; i += 2) if (this.#flat[i] === "content-type") return;
    this.#flat.push("content-type", type);
  }

  get type() { return this.#more.type; }
  get url() { return this.#more.url; }
  get redirected() { return this.#more.redirected; }
  get status() { return this.#status; }
  get ok() { return this.#status >= 200 && this.#status <= 299; }
  get statusText() { return this.#more.statusText; }
  get headers() { return this.#headers ??= headersOver(this.#flat, this.#more.type !== "default"); }

  clone() {
    const copy = new Response();
    copy.#body = this.#body?.clone() ?? null;
    copy.#status = this.#status;
    copy.#more = this.#more;
    copy.#flat = this.#flat.slice();
    return copy;
  }

  static error() {
    const response = new Response();
    response.#status = 0;
    response.#more = { ...USUAL, type: "error" };
    return response;
  }

  static json(data, init = undefined) {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Response.json: the value is not JSON");
    const response = new Response(null, init);
    if (init && NULL_BODY.has(response.#status)) throw new TypeError(`a response with status ${response.#status} cannot have a body`);
    response.#body = new Body(text);
    response.#addType("application/json");
    return response;
  }

  static redirect(url, status = 302) {
    const location = use("web/url.js").resolve(String(url));
    if (!REDIRECTS.has(Math.trunc(Number(status)))) throw new RangeError(`Response.redirect: ${String(status)} is not a redirect status`);
    const response = new Response();
    response.#status = Math.trunc(Number(status));
    response.#flat = ["location", location];
    response.#headers = headersOver(response.#flat, true);
    return response;
  }

  static {
    internalsOf = (response) => ({ status: response.#status, headers: response.#flat, body: response.#body });
    received = (status, flat, body, url, redirected) => {
      const response = new Response();
      response.#status = status;
      response.#flat = flat;
      response.#body = body;
      response.#more = { statusText: "", type: "basic", url, redirected };
      return response;
    };
    defineBody(Response.prototype, (response) => response.#body);
  }
}

/** `{ status, headers: [name, value, …], body: Body or null }`. */
export function internals(response) { return internalsOf(response); }
/** A response that came from the network. */
export function networkResponse(...parts) { return received(...parts); }

Object.defineProperty(Response.prototype, Symbol.toStringTag, { value: "Response", configurable: true });
