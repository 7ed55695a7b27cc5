// Event, EventTarget and the event classes; AbortController and AbortSignal.
import { suite, tick } from "./_lib/check.ts";

export default async function (req, res) {
  const t = suite();
  await t.group("EventTarget", () => {
    const target = new EventTarget();
    const seen = [];
    const listener = (event) => seen.push([event.type, event.target === target, event.currentTarget === target, event.eventPhase]);
    target.addEventListener("a", listener);
    target.addEventListener("a", listener);
    t.equal("dispatch", target.dispatchEvent(new Event("a")), true);
    t.equal("once each", seen, [["a", true, true, 2]]);
    target.removeEventListener("a", listener);
    target.dispatchEvent(new Event("a"));
    t.equal("removed", seen.length, 1);
    let count = 0;
    target.addEventListener("b", () => count++, { once: true });
    target.dispatchEvent(new Event("b"));
    target.dispatchEvent(new Event("b"));
    t.equal("once", count, 1);
    const object = { hits: 0, handleEvent() { this.hits++; } };
    target.addEventListener("c", object);
    target.dispatchEvent(new Event("c"));
    t.equal("handleEvent", object.hits, 1);
    const order = [];
    target.addEventListener("d", (event) => { order.push(1); event.stopImmediatePropagation(); });
    target.addEventListener("d", () => order.push(2));
    target.dispatchEvent(new Event("d"));
    t.equal("stopImmediatePropagation", order, [1]);
    target.addEventListener("e", (event) => event.preventDefault());
    t.equal("preventDefault", [target.dispatchEvent(new Event("e", { cancelable: true })), target.dispatchEvent(new Event("e"))], [false, true]);
    const controller = new AbortController();
    let heard = 0;
    target.addEventListener("f", () => heard++, { signal: controller.signal });
    target.dispatchEvent(new Event("f"));
    controller.abort();
    target.dispatchEvent(new Event("f"));
    t.equal("signal", heard, 1);
    t.throws("not an Event", () => target.dispatchEvent({} as any), "TypeError");
    const event = new Event("g");
    target.addEventListener("g", () => t.throws("twice", () => target.dispatchEvent(event), "InvalidStateError"));
    target.dispatchEvent(event);
    class Own extends EventTarget {}
    t.ok("subclass", new Own() instanceof EventTarget);
  });
  await t.group("event classes", () => {
    const custom = new CustomEvent("x", { detail: { a: 1 }, bubbles: true });
    t.equal("CustomEvent", [custom.detail, custom.bubbles, custom instanceof Event], [{ a: 1 }, true, true]);
    t.equal("MessageEvent", new MessageEvent("m", { data: 5 }).data, 5);
    const error = new ErrorEvent("error", { message: "m", error: 7, lineno: 3 });
    t.equal("ErrorEvent", [error.message, error.error, error.lineno], ["m", 7, 3]);
    const promise = Promise.resolve();
    t.equal("PromiseRejectionEvent", new PromiseRejectionEvent("r", { promise, reason: 1 }).reason, 1);
    t.throws("no type", () => new (Event as any)(), "TypeError");
    t.throws("no promise", () => new (PromiseRejectionEvent as any)("r", {}), "TypeError");
    t.equal("constants", [Event.AT_TARGET, new Event("x").AT_TARGET], [2, 2]);
  });
  await t.group("AbortController", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let events = 0;
    signal.onabort = () => events++;
    signal.addEventListener("abort", () => events++);
    t.equal("before", [signal.aborted, signal.reason], [false, undefined]);
    controller.abort();
    controller.abort("again");
    t.equal("after", [signal.aborted, signal.reason.name, signal.reason instanceof DOMException, events], [true, "AbortError", true, 2]);
    t.throws("throwIfAborted", () => signal.throwIfAborted(), "AbortError");
    t.equal("abort", AbortSignal.abort("why").reason, "why");
    t.throws("constructor", () => new (AbortSignal as any)(), "TypeError");
  });
  await t.group("timeout and any", async () => {
    const timeout = AbortSignal.timeout(5);
    await tick(25);
    t.equal("timeout", [timeout.aborted, timeout.reason.name], [true, "TimeoutError"]);
    const a = new AbortController();
    const b = new AbortController();
    const any = AbortSignal.any([a.signal, b.signal]);
    let heard = null;
    any.onabort = () => { heard = any.reason; };
    b.abort("b");
    t.equal("any", [any.aborted, heard, a.signal.aborted], [true, "b", false]);
    t.equal("any of aborted", AbortSignal.any([AbortSignal.abort(1), a.signal]).reason, 1);
    t.equal("any of none", AbortSignal.any([]).aborted, false);
    t.throws("timeout of text", () => AbortSignal.timeout("x" as any), "TypeError");
  });
  await t.group("DOMException", () => {
    const error = new DOMException("m", "DataCloneError");
    t.equal("fields", [error.name, error.message, error.code, error instanceof Error], ["DataCloneError", "m", 25, true]);
    t.equal("default", new DOMException().name, "Error");
    t.equal("constant", DOMException.ABORT_ERR, 20);
    t.ok("stack", typeof error.stack === "string");
  });
  return t.result();
}
