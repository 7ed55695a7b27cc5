// Response (Fetch Standard section 5.5).

import { Headers, headersOver, flatHeaders } from "footpath:web/http/headers.js";
import { Body, defineBody, extract } from "footpath:web/http/body.js";
import { use } from "footpath:lazy.js";

const NULL_BODY = new Set([101, 103, 204, 205, 304]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

let internalsOf, received;

export class Response {
  #status = 200;
  #statusText = "";
  #headers;
  #body = null;
  #type = "default";
  #url = "";
  #redirected = false;

  constructor(body = null, init = {}) {
    this.#start(init);
    if (body === null || body === undefined) return;
    if (NULL_BODY.has(this.#status)) throw new TypeError(`a response with status ${this.#status} cannot have a body`);
    const extracted = extract(body);
    this.#body = extracted.body;
    if (extracted.type !== null && !this.#headers.has("content-type")) this.#headers.append("content-type", extracted.type);
  }

  #start(init) {
    if (init === null || init === undefined) init = {};
    if (typeof init !== "object" && typeof init !== "function") throw new TypeError("Response: init is not an object");
    if (init.status !== undefined) {
      this.#status = Math.trunc(Number(init.status)) || 0;
      if (this.#status < 200 || this.#status > 599) {
        throw new RangeError(`Response: the status ${String(init.status)} is not within 200 to 599`);
      }
    }
    if (init.statusText !== undefined) {
      this.#statusText = String(init.statusText);
      if (/[^\t\x20-\x7e\x80-\xff]/.test(this.#statusText)) throw new TypeError("Response: statusText is not a reason phrase");
    }
    this.#headers = new Headers(init.headers ?? undefined);
  }

  get type() { return this.#type; }
  get url() { return this.#url; }
  get redirected() { return this.#redirected; }
  get status() { return this.#status; }
  get ok() { return this.#status >= 200 && this.#status <= 299; }
  get statusText() { return this.#statusText; }
  get headers() { return this.#headers; }

  clone() {
    const copy = new Response();
    copy.#body = this.#body?.clone() ?? null;
    copy.#status = this.#status;
    copy.#statusText = this.#statusText;
    copy.#headers = headersOver(flatHeaders(this.#headers).slice(), this.#type !== "default");
    copy.#type = this.#type;
    copy.#url = this.#url;
    copy.#redirected = this.#redirected;
    return copy;
  }

  static error() {
    const response = new Response();
    response.#status = 0;
    response.#type = "error";
    response.#headers = headersOver([], true);
    return response;
  }

  static json(data, init = {}) {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Response.json: the value is not JSON");
    const response = new Response(null, init);
    if (NULL_BODY.has(response.#status)) throw new TypeError(`a response with status ${response.#status} cannot have a body`);
    response.#body = new Body(text);
    if (!response.#headers.has("content-type")) response.#headers.append("content-type", "application/json");
    return response;
  }

  static redirect(url, status = 302) {
    const location = use("web/url.js").resolve(String(url));
    if (!REDIRECTS.has(Math.trunc(Number(status)))) throw new RangeError(`Response.redirect: ${String(status)} is not a redirect status`);
    const response = new Response();
    response.#status = Math.trunc(Number(status));
    response.#headers = headersOver(["location", location], true);
    return response;
  }

  static {
    internalsOf = (response) => ({ status: response.#status, headers: flatHeaders(response.#headers), body: response.#body });
    received = (status, flat, body, url, redirected) => {
      const response = new Response();
      response.#status = status;
      response.#headers = headersOver(flat, true);
      response.#body = body;
      response.#type = "basic";
      response.#url = url;
      response.#redirected = redirected;
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
