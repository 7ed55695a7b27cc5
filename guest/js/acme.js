// `acme`: certificates. The server keeps the account, makes the keys and answers
// the challenges; the rules of when to order are its too.

import { native } from "footpath:native.js";

// "CODE: why" of the host becomes an error with that code.
function call(f) {
  try {
    return f();
  } catch (error) {
    const coded = /^(ACME_\w+)(?:\|(\d+))?: (.*)$/s.exec(error.message);
    if (!coded) throw error;
    const shown = new Error("acme: " + coded[3]);
    Object.defineProperty(shown, "name", { value: "AcmeError", configurable: true, writable: true });
    shown.code = coded[1];
    if (coded[2] !== undefined) shown.retryAfter = Number(coded[2]);
    throw shown;
  }
}

const iso = (seconds) => new Date(seconds * 1000).toISOString();

function text(value, name) {
  if (value === undefined || value === null) return null;
  if (typeof value !== "string") throw new TypeError(`acme.order: ${name} is a text, not ${typeof value}`);
  return value;
}

export const acme = {
  /**
   * A certificate for a domain, or for several names of which the first is the
   * domain. When the one in force is not due, no order is made, and that one is
   * the answer, with the status "not_due".
   */
  async order(domains, options = {}) {
    const names = Array.isArray(domains) ? domains : [domains];
    if (names.length === 0 || names.some((name) => typeof name !== "string")) {
      throw new TypeError("acme.order: a domain, or an array of them");
    }
    const { force = false, profile, keyType } = options ?? {};
    const made = call(() => native.acmeOrder(names, Boolean(force), text(profile, "profile"), text(keyType, "keyType")));
    made.notBefore = iso(made.notBefore);
    made.notAfter = iso(made.notAfter);
    return made;
  },

  /** How a domain stands; null when nothing is known of it. */
  async status(domain) {
    if (typeof domain !== "string") throw new TypeError("acme.status: a domain");
    const json = call(() => native.acmeStatus(domain));
    return json === null || json === undefined ? null : JSON.parse(json);
  },
};

Object.defineProperty(acme, Symbol.toStringTag, { value: "acme", configurable: true });
