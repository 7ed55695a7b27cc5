// Request (Fetch Standard section 5.4). A URL that is relative, such as `/x`, means
// a route of the script's own deployment.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";
import { requestHeaders, requestOrigin } from "footpath:call.js";
import { Headers, headersOver, flatHeaders } from "footpath:web/http/headers.js";
import { Body, Incoming, defineBody, extract } from "footpath:web/http/body.js";

const NORMALISED = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);
const REDIRECT_MODES = new Set(["follow", "error", "manual"]);

/** Marks the constructor call of the request that is being answered. */
const INCOMING = Symbol("incoming");

let internalsOf;

export class Request {
  #method = "GET";
  #url = null;
  #own = false;
  #headers = null;
  #body = null;
  #redirect = "follow";
  #signal = null;
  #incoming = false;

  constructor(input, init = {}) {
    if (input === INCOMING) {
      this.#incoming = true;
      this.#method = null;
      return;
    }
    if (arguments.length < 1) throw new TypeError("Request: a URL or a Request is required");
    init ??= {};
    const from = input instanceof Request ? input : null;
    if (from) this.#copy(from);
    else this.#setUrl(String(input));
    if (init.method !== undefined) this.#setMethod(String(init.method));
    if (init.headers !== undefined) this.#headers = new Headers(init.headers);
    this.#headers ??= new Headers();
    if (init.redirect !== undefined) this.#redirect = checkRedirect(init.redirect);
    if (init.signal !== undefined) this.#follow(init.signal);
    this.#setBody(init.body ?? null, from);
  }

  #copy(from) {
    this.#method = from.method;
    this.#url = from.url;
    this.#own = from.#own;
    this.#headers = new Headers(from.headers);
    this.#redirect = from.#redirect;
    this.#signal = from.#signal;
  }

  #setUrl(text) {
    const { parse } = use("web/url.js");
    let url = parse(text);
    if (url === null) {
      url = parse(text, requestOrigin() + "/");
      this.#own = true;
    }
    if (url === null) throw new TypeError(`Request: ${JSON.stringify(text.slice(0, 200))} is not a URL`);
    if (url.get("username") || url.get("password")) {
      throw new TypeError("Request: a URL with a user name or password cannot be fetched; send an Authorization header");
    }
    this.#url = url.get("href");
  }

  #setMethod(method) {
    if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(method)) throw new TypeError(`Request: ${JSON.stringify(method)} is not a method`);
    const upper = method.toUpperCase();
    if (upper === "CONNECT" || upper === "TRACE" || upper === "TRACK") throw new TypeError(`Request: the method ${method} is forbidden`);
    this.#method = NORMALISED.has(upper) ? upper : method;
  }

  #follow(signal) {
    if (signal !== null && !(signal instanceof use("web/events.js").AbortSignal)) throw new TypeError("Request: signal is not an AbortSignal");
    this.#signal = signal;
  }

  #setBody(value, from) {
    const bodyless = this.#method === "GET" || this.#method === "HEAD";
    if (value !== null) {
      if (bodyless) throw new TypeError(`Request: ${this.#method} cannot have a body`);
      const { body, type } = extract(value);
      this.#body = body;
      if (type !== null && !this.#headers.has("content-type")) this.#headers.append("content-type", type);
    } else if (from?.#someBody()) {
      if (bodyless) throw new TypeError(`Request: ${this.#method} cannot have a body`);
      this.#body = moved(from.#body);
    }
  }

  // The body of the request that is being answered is taken when it is asked for.
  #someBody() {
    if (this.#incoming) {
      this.#incoming = false;
      if (this.method !== "GET" && this.method !== "HEAD") {
        const body = native.requestBody();
        if (body !== null) this.#body = new Body(new Incoming(body));
      }
    }
    return this.#body;
  }

  get method() { return this.#method ??= native.method(); }
  get url() { return this.#url ??= requestOrigin() + native.target(); }
  get headers() { return this.#headers ??= headersOver(requestHeaders(), true); }
  get redirect() { return this.#redirect; }
  get signal() { return this.#signal ??= new (use("web/events.js").AbortController)().signal; }

  // Properties of browsers that mean nothing on a server.
  get destination() { return ""; }
  get referrer() { return "about:client"; }
  get referrerPolicy() { return ""; }
  get mode() { return "cors"; }
  get credentials() { return "same-origin"; }
  get cache() { return "default"; }
  get integrity() { return ""; }
  get keepalive() { return false; }
  get duplex() { return "half"; }

  clone() {
    const body = this.#someBody()?.clone() ?? null;
    const copy = new Request(this.url);
    copy.#copy(this);
    copy.#body = body;
    return copy;
  }

  static {
    internalsOf = (request) => ({
      own: request.#own, headers: flatHeaders(request.headers), body: request.#someBody(), signal: request.#signal,
    });
    defineBody(Request.prototype, (request) => request.#someBody());
  }
}

/** `{ own, headers, body, signal }`: `own` is true for the own deployment. */
export function requestInternals(request) { return internalsOf(request); }

/** The request that is being answered; what it has is read when asked for. */
export function incomingRequest() { return new Request(INCOMING); }

// A request made from another takes its body, and the other's is used up.
function moved(body) {
  const whole = body.whole();
  body.take();
  if (whole !== undefined) return new Body(whole);
  const { ReadableStream } = use("web/streams.js");
  const chunks = body.chunks();
  return new Body(new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => chunks.return(),
  }, { highWaterMark: 0 }));
}

function checkRedirect(mode) {
  mode = String(mode);
  if (!REDIRECT_MODES.has(mode)) throw new TypeError(`Request: redirect is follow, error or manual, not ${JSON.stringify(mode)}`);
  return mode;
}

Object.defineProperty(Request.prototype, Symbol.toStringTag, { value: "Request", configurable: true });
