// Events and abort (DOM Standard sections 2 and 3), and the event classes of the
// HTML Standard that a server has.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";

let setDispatch;

export class Event {
  static NONE = 0;
  static CAPTURING_PHASE = 1;
  static AT_TARGET = 2;
  static BUBBLING_PHASE = 3;

  #type;
  #init;
  #target = null;
  #phase = 0;
  #timeStamp;
  #stopped = false;
  #stoppedNow = false;
  #prevented = false;
  #passive = false;

  constructor(type, init = {}) {
    if (arguments.length === 0) throw new TypeError(`${new.target.name}: a type is required`);
    this.#type = String(type);
    this.#init = { bubbles: Boolean(init?.bubbles), cancelable: Boolean(init?.cancelable), composed: Boolean(init?.composed) };
  }

  get type() { return this.#type; }
  get bubbles() { return this.#init.bubbles; }
  get cancelable() { return this.#init.cancelable; }
  get composed() { return this.#init.composed; }
  get target() { return this.#target; }
  get srcElement() { return this.#target; }
  get currentTarget() { return this.#phase === 0 ? null : this.#target; }
  get eventPhase() { return this.#phase; }
  get timeStamp() { return this.#timeStamp ??= native.now(); }
  get isTrusted() { return false; }
  get defaultPrevented() { return this.#prevented; }
  get returnValue() { return !this.#prevented; }
  get cancelBubble() { return this.#stopped; }
  set cancelBubble(value) { if (value) this.#stopped = true; }

  composedPath() { return this.#phase === 0 ? [] : [this.#target]; }
  preventDefault() { if (this.#init.cancelable && !this.#passive) this.#prevented = true; }
  stopPropagation() { this.#stopped = true; }
  stopImmediatePropagation() { this.#stopped = this.#stoppedNow = true; }

  static {
    setDispatch = {
      begin(event, target) {
        if (event.#phase !== 0) throw new DOMException("the event is being dispatched already", "InvalidStateError");
        event.#target = target;
        event.#phase = Event.AT_TARGET;
      },
      passive: (event, passive) => { event.#passive = passive; },
      stoppedNow: (event) => event.#stoppedNow,
      end(event) {
        event.#phase = 0;
        event.#stopped = event.#stoppedNow = event.#passive = false;
        return !event.#prevented;
      },
    };
  }
}

export class CustomEvent extends Event {
  #detail;
  constructor(type, init = {}) {
    super(type, init);
    this.#detail = init?.detail ?? null;
  }
  get detail() { return this.#detail; }
}

export class MessageEvent extends Event {
  #init;
  constructor(type, init = {}) {
    super(type, init);
    this.#init = init ?? {};
  }
  get data() { return this.#init.data ?? null; }
  get origin() { return this.#init.origin ?? ""; }
  get lastEventId() { return this.#init.lastEventId ?? ""; }
  get source() { return this.#init.source ?? null; }
  get ports() { return this.#init.ports ?? []; }
}

export class ErrorEvent extends Event {
  #init;
  constructor(type, init = {}) {
    super(type, init);
    this.#init = init ?? {};
  }
  get message() { return this.#init.message ?? ""; }
  get filename() { return this.#init.filename ?? ""; }
  get lineno() { return this.#init.lineno ?? 0; }
  get colno() { return this.#init.colno ?? 0; }
  get error() { return this.#init.error; }
}

export class PromiseRejectionEvent extends Event {
  #init;
  constructor(type, init) {
    if (!init || !("promise" in init)) throw new TypeError("PromiseRejectionEvent: init.promise is required");
    super(type, init);
    this.#init = init;
  }
  get promise() { return this.#init.promise; }
  get reason() { return this.#init.reason; }
}

let listenersOf, remove;

export class EventTarget {
  /** Type to list of { listener, capture, once, passive, removed }. */
  #listeners = new Map();

  addEventListener(type, listener, options = {}) {
    if (arguments.length < 2) throw new TypeError("addEventListener: a type and a listener are required");
    if (listener === null || listener === undefined) return;
    if (typeof listener !== "function" && typeof listener !== "object") throw new TypeError("addEventListener: the listener is not a function or an object");
    const capture = typeof options === "object" ? Boolean(options?.capture) : Boolean(options);
    const { once = false, passive = false, signal } = typeof options === "object" && options !== null ? options : {};
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError("addEventListener: signal is not an AbortSignal");
    if (signal?.aborted) return;
    type = String(type);
    let list = this.#listeners.get(type);
    if (list === undefined) this.#listeners.set(type, list = []);
    if (list.some((one) => one.listener === listener && one.capture === capture)) return;
    list.push({ listener, capture, once: Boolean(once), passive: Boolean(passive), removed: false });
    signal?.addEventListener("abort", () => this.removeEventListener(type, listener, { capture }));
  }

  removeEventListener(type, listener, options = {}) {
    const capture = typeof options === "object" ? Boolean(options?.capture) : Boolean(options);
    const list = this.#listeners.get(String(type));
    const at = list?.findIndex((one) => one.listener === listener && one.capture === capture) ?? -1;
    if (at < 0) return;
    list[at].removed = true;
    list.splice(at, 1);
  }

  dispatchEvent(event) {
    if (!(event instanceof Event)) throw new TypeError("dispatchEvent: an Event is required");
    return dispatch(this, event);
  }

  static {
    listenersOf = (target, type) => [...target.#listeners.get(type) ?? []];
    remove = (target, type, one) => target.removeEventListener(type, one.listener, { capture: one.capture });
  }
}

/** Fires an event at a target that may show itself to listeners as `self`. */
export function dispatch(target, event, self = target) {
  setDispatch.begin(event, self);
  for (const one of listenersOf(target, event.type)) {
    if (one.removed) continue;
    if (one.once) remove(target, event.type, one);
    setDispatch.passive(event, one.passive);
    try {
      if (typeof one.listener === "function") one.listener.call(self, event);
      else if (typeof one.listener.handleEvent === "function") one.listener.handleEvent(event);
      else throw new TypeError("the listener's handleEvent is not a function");
    } catch (error) {
      use("web/report.js").reportError(error);
    }
    if (setDispatch.stoppedNow(event)) break;
  }
  return setDispatch.end(event);
}

/** Defines `on<type>` as an attribute that holds one listener (HTML section 8.1.8). */
export function defineHandler(prototype, type, targetOf = (self) => self) {
  const handlers = new WeakMap();
  Object.defineProperty(prototype, "on" + type, {
    get() { return handlers.get(targetOf(this))?.handler ?? null; },
    set(handler) {
      const target = targetOf(this);
      const known = handlers.get(target);
      if (typeof handler !== "function") handler = null;
      if (known) known.handler = handler;
      else if (handler !== null) {
        const entry = { handler };
        handlers.set(target, entry);
        target.addEventListener(type, function (event) { entry.handler?.call(this, event); });
      }
    },
    configurable: true,
    enumerable: true,
  });
}

/** Only the engine makes signals. */
const KEY = Symbol("AbortSignal");

let abort, onAbort;

export class AbortSignal extends EventTarget {
  #aborted = false;
  #reason = undefined;
  /** What to do at an abort, before listeners hear of it: fetch and other signals. */
  #steps = new Set();

  constructor(key) {
    if (key !== KEY) throw new TypeError("Illegal constructor: use AbortController, AbortSignal.timeout or AbortSignal.any");
    super();
  }

  get aborted() { return this.#aborted; }
  get reason() { return this.#reason; }
  throwIfAborted() { if (this.#aborted) throw this.#reason; }

  static abort(reason = undefined) {
    const signal = new AbortSignal(KEY);
    abort(signal, reason);
    return signal;
  }

  static timeout(milliseconds) {
    const delay = Number(milliseconds);
    if (!(delay >= 0) || delay > Number.MAX_SAFE_INTEGER) throw new TypeError("AbortSignal.timeout: the time is not a number of milliseconds");
    const signal = new AbortSignal(KEY);
    native.setTimer(() => abort(signal, new DOMException("The operation timed out", "TimeoutError")), delay, false);
    return signal;
  }

  static any(signals) {
    const result = new AbortSignal(KEY);
    const list = [...signals];
    for (const one of list) if (!(one instanceof AbortSignal)) throw new TypeError("AbortSignal.any: each item must be an AbortSignal");
    const aborted = list.find((one) => one.aborted);
    if (aborted) abort(result, aborted.reason);
    else for (const one of list) one.#steps.add(() => abort(result, one.reason));
    return result;
  }

  static {
    abort = (signal, reason) => {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason === undefined ? new DOMException("The operation was aborted", "AbortError") : reason;
      const steps = [...signal.#steps];
      signal.#steps.clear();
      for (const step of steps) step();
      signal.dispatchEvent(new Event("abort"));
    };
    onAbort = (signal, step) => {
      signal.#steps.add(step);
      return () => signal.#steps.delete(step);
    };
  }
}

/** Runs a step when the signal aborts; the function that comes back undoes that. */
export function whenAborted(signal, step) { return onAbort(signal, step); }

defineHandler(AbortSignal.prototype, "abort");

export class AbortController {
  #signal = new AbortSignal(KEY);
  get signal() { return this.#signal; }
  abort(reason = undefined) { abort(this.#signal, reason); }
}

for (const one of [Event, CustomEvent, MessageEvent, ErrorEvent, PromiseRejectionEvent, EventTarget, AbortSignal, AbortController]) {
  Object.defineProperty(one.prototype, Symbol.toStringTag, { value: one.name, configurable: true });
}
for (const name of ["NONE", "CAPTURING_PHASE", "AT_TARGET", "BUBBLING_PHASE"]) {
  Object.defineProperty(Event.prototype, name, { value: Event[name], enumerable: true });
}
