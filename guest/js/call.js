// What belongs to one call. A fresh instance answers one call only; in worker
// mode the state is emptied before each.

import { native } from "footpath:native.js";
import { use, isUsed } from "footpath:lazy.js";

/** Functions that empty what this call has left, when the next one starts. */
let resets = [];
/** Says that there is state now which this call must not leave to the next. */
export function atNextCall(reset) {
  resets.push(reset);
  native.leaveTraces();
}

/** Starts another call in this instance, after one that has left traces. */
export function startCall() {
  context = undefined;
  const due = resets;
  resets = [];
  for (const reset of due) reset();
}

let context;

/** What the host knows of this call, or null where no Footpath host is. */
export function hostContext() {
  return context === undefined ? (context = native.call()) : context;
}

/** `http://host:port` of the request, for URLs relative to it. */
export function requestOrigin() {
  const [scheme, authority] = native.origin();
  return scheme + "://" + (authority ?? "localhost");
}

/**
 * The request's header fields, name and value by turns. Cookie is one field, also when
 * it came as several (RFC 9113 section 8.2.3), and Host is among them, which HTTP/2
 * says elsewhere.
 */
export function requestHeaders() {
  const flat = native.headers();
  const fields = [];
  let cookie = 0;
  let host = false;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i];
    if (name === "cookie" && cookie > 0) {
      fields[cookie] += "; " + flat[i + 1];
      continue;
    }
    const at = fields.push(name, flat[i + 1]) - 1;
    if (name === "cookie") cookie = at;
    else if (name === "host") host = true;
  }
  if (!host) {
    const [, authority] = native.origin();
    if (authority) fields.push("host", authority);
  }
  return fields;
}

/** Stores what the script changed in `shared`, if it touched it. */
export function saveShared() {
  if (isUsed("answer/shared.js")) use("answer/shared.js").save();
}
