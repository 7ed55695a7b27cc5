// fetch (Fetch Standard section 5.6): redirects, abort, bodies in both directions.
// Where it may go is the host's decision. A relative URL is a route of the script's
// own deployment and never leaves the server.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";
import { HOP_BY_HOP } from "footpath:answer/node.js";

const { Request, Body, Incoming, requestInternals, networkResponse } = use("web/http.js");
const { parse } = use("web/url.js");

const REDIRECTS_MAX = 20;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export async function fetch(input, init = undefined) {
  const request = new Request(input, init);
  const { own, headers, body, signal } = requestInternals(request);
  signal?.throwIfAborted();
  body?.take();
  const call = {
    method: request.method, url: parse(request.url), own, flat: withDefaults(headers), body, signal,
    redirect: request.redirect, redirects: 0,
  };
  call.url.set("hash", "");
  return follow(call, signal ? abortOf(signal) : null);
}

// A promise that is rejected at an abort, and how to forget it.
function abortOf(signal) {
  let reject;
  const promise = new Promise((_, no) => { reject = no; });
  promise.catch(() => {});
  const stop = use("web/events.js").whenAborted(signal, () => reject(signal.reason));
  return { promise, stop };
}

function withDefaults(headers) {
  const flat = [];
  let accept = false;
  let agent = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i];
    if (HOP_BY_HOP.has(name) || name === "content-length") continue;
    accept ||= name === "accept";
    agent ||= name === "user-agent";
    flat.push(name, headers[i + 1]);
  }
  if (!accept) flat.push("accept", "*/*");
  if (!agent) flat.push("user-agent", "Footpath");
  return flat;
}

async function follow(call, abort) {
  try {
    for (;;) {
      const { answer, exchange } = await send(call, abort);
      const location = REDIRECTS.has(answer.status) && call.redirect !== "manual" ? headerOf(answer.headers, "location") : null;
      if (location === null) return respond(call, answer, exchange);
      answer.body.cancel();
      redirect(call, answer.status, location);
    }
  } catch (error) {
    abort?.stop();
    throw error;
  }
}

function headerOf(flat, name) {
  for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return flat[i + 1];
  return null;
}

function respond(call, answer, exchange) {
  const incoming = new Incoming(answer.body);
  const bodyless = call.method === "HEAD" || answer.status === 204 || answer.status === 205 || answer.status === 304;
  // The signal also ends a body that still arrives.
  if (call.signal) {
    use("web/events.js").whenAborted(call.signal, () => {
      incoming.abort(call.signal.reason);
      exchange.abort();
    });
  }
  if (bodyless) incoming.cancel();
  return networkResponse(answer.status, answer.headers, bodyless ? null : new Body(incoming), call.url.get("href"), call.redirects > 0);
}

// One request and the head of its answer.
async function send(call, abort) {
  const [scheme, authority, path] = call.url.target();
  if (scheme !== "http" && scheme !== "https") throw failed(`the scheme ${scheme} is not supported`);
  const flat = call.flat.slice();
  const whole = call.body === null ? null : call.body.whole();
  if (whole !== null && whole !== undefined) {
    call.bytes ??= typeof whole === "string" ? native.utf8Encode(whole) : whole;
    flat.push("content-length", String(call.bytes.length));
  } else if (call.body === null && (call.method === "POST" || call.method === "PUT")) {
    flat.push("content-length", "0");
  }
  let exchange;
  try {
    exchange = native.fetch(call.method, scheme, call.own ? null : authority, path, flat, call.body !== null);
  } catch (error) {
    throw failed(error.message);
  }
  let bodyFailure = null;
  const sent = call.body === null ? null : upload(call, exchange.takeBody()).catch((error) => { bodyFailure = { error }; });
  const answer = await received(exchange, abort, sent, () => bodyFailure);
  return { answer, exchange };
}

async function received(exchange, abort, sent, bodyFailure) {
  let uploading = sent !== null;
  sent?.then(() => { uploading = false; });
  for (;;) {
    if (bodyFailure()) {
      exchange.abort();
      throw bodyFailure().error;
    }
    let answer;
    try {
      answer = exchange.result();
    } catch (error) {
      throw failed(error.message);
    }
    if (answer !== null) return answer;
    const events = [exchange.wait()];
    if (abort) events.push(abort.promise);
    if (uploading) events.push(sent);
    try {
      await Promise.race(events);
    } catch (reason) {
      exchange.abort();
      throw reason;
    }
  }
}

async function upload(call, out) {
  try {
    const chunks = call.bytes ? [call.bytes] : call.body.chunks();
    for await (let chunk of chunks) {
      while (chunk.length > 0) {
        const taken = write(out, chunk);
        // The server may answer without reading on; its answer is what counts.
        if (taken < 0) return;
        if (taken === 0) await out.wait();
        else chunk = chunk.subarray(taken);
      }
    }
    out.finish();
  } catch (error) {
    out.abort();
    throw error;
  }
}

function write(out, chunk) {
  try { return out.write(chunk); } catch { return -1; }
}

// Changes the call to what a redirect asks for (HTTP-redirect fetch, section 4.5).
function redirect(call, status, location) {
  if (call.redirect === "error") throw failed(`the server redirects to ${location}, and redirect is "error"`);
  if (++call.redirects > REDIRECTS_MAX) throw failed(`more than ${REDIRECTS_MAX} redirects`);
  const absolute = parse(location);
  const url = absolute ?? parse(location, call.url.get("href"));
  if (url === null) throw failed(`the redirect goes to ${JSON.stringify(location)}, which is not a URL`);
  if (!/^https?:$/.test(url.get("protocol"))) throw failed(`the redirect goes to ${location}; only http and https are followed`);
  if (url.get("hash") === "") url.set("hash", call.url.get("hash"));
  const sameOrigin = url.get("origin") === call.url.get("origin");
  if (status !== 303 && call.body !== null && !call.body.replayable) {
    throw failed(`the server redirects with ${status}, and a streamed body cannot be sent again`);
  }
  const toGet = status === 303 ? call.method !== "GET" && call.method !== "HEAD" : (status === 301 || status === 302) && call.method === "POST";
  if (toGet) {
    call.method = "GET";
    call.body = null;
    call.bytes = undefined;
    drop(call, /^content-(type|length|encoding|language|location)$/);
  }
  // Secrets are for the origin they were given for.
  if (!sameOrigin) {
    drop(call, /^(authorization|cookie|proxy-authorization)$/);
    call.own = false;
  }
  call.url = url;
}

function drop(call, names) {
  call.flat = call.flat.filter((_, i, all) => !names.test(all[i - i % 2]));
}

// What the host says, as a TypeError whose cause has a code.
function failed(message) {
  const code = /^([A-Z][A-Z0-9_]+):/.exec(message)?.[1] ?? CODES[/^(?:ErrorCode::)?([A-Za-z]+)/.exec(message)?.[1]] ?? "EFETCH";
  const cause = Object.assign(new Error(message), { code });
  return new TypeError("fetch failed: " + message, { cause });
}

// Error codes of wasi:http, as Node names them.
const CODES = {
  DnsTimeout: "EAI_AGAIN", DnsError: "ENOTFOUND", DestinationNotFound: "ENOTFOUND", DestinationUnavailable: "EHOSTUNREACH",
  DestinationIpProhibited: "EACCES", DestinationIpUnroutable: "ENETUNREACH", ConnectionRefused: "ECONNREFUSED",
  ConnectionTerminated: "ECONNRESET", ConnectionTimeout: "ETIMEDOUT", ConnectionReadTimeout: "ETIMEDOUT",
  ConnectionWriteTimeout: "ETIMEDOUT", ConnectionLimitReached: "EMFILE", TlsProtocolError: "EPROTO",
  TlsCertificateError: "CERT_INVALID", TlsAlertReceived: "EPROTO", HttpRequestDenied: "EACCES", HttpResponseTimeout: "ETIMEDOUT",
  LoopDetected: "ELOOP",
};
