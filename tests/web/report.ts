// reportError and unhandled rejections that a listener takes care of.
import { suite, tick } from "./_lib/check.ts";

export default async function (req, res) {
  const t = suite();
  await t.group("reportError", () => {
    const seen = [];
    const listener = (event) => { seen.push([event.type, event.error.message, event.message]); event.preventDefault(); };
    addEventListener("error", listener);
    reportError(new TypeError("told"));
    removeEventListener("error", listener);
    t.equal("event", seen, [["error", "told", "TypeError: told"]]);
    t.throws("nothing", () => (reportError as any)(), "TypeError");
    reportError(new Error("only logged"));
  });
  await t.group("listener that throws", () => {
    const seen = [];
    const heard = (event) => { seen.push(event.error.message); event.preventDefault(); };
    addEventListener("error", heard);
    const target = new EventTarget();
    target.addEventListener("x", () => { throw new Error("in a listener"); });
    target.addEventListener("x", () => seen.push("next"));
    target.dispatchEvent(new Event("x"));
    removeEventListener("error", heard);
    t.equal("reported", seen, ["in a listener", "next"]);
  });
  await t.group("unhandledrejection", async () => {
    const seen = [];
    const listener = (event) => { seen.push([event.type, event.reason, event.promise instanceof Promise]); event.preventDefault(); };
    addEventListener("unhandledrejection", listener);
    Promise.reject("nobody");
    await tick(5);
    removeEventListener("unhandledrejection", listener);
    t.equal("event", seen, [["unhandledrejection", "nobody", true]]);
    globalThis.onunhandledrejection = (event) => { seen.push("handler"); event.preventDefault(); };
    Promise.reject(new Error("again"));
    await tick(5);
    globalThis.onunhandledrejection = null;
    t.equal("onunhandledrejection", seen.at(-1), "handler");
    const late = Promise.reject(new Error("caught in time"));
    late.catch(() => {});
    await tick(5);
    t.equal("caught", seen.length, 2);
  });
  await t.group("timer that throws", async () => {
    const seen = [];
    const listener = (event) => { seen.push(event.error.message); event.preventDefault(); };
    addEventListener("error", listener);
    setTimeout(() => { throw new Error("in a timer"); }, 1);
    await tick(10);
    removeEventListener("error", listener);
    t.equal("event", seen, ["in a timer"]);
  });
  return t.result({ log: [["error", "Uncaught Error: only logged"]] });
}
