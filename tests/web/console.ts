// console: the lines that these calls write are in the answer as `log`.
import { suite } from "./_lib/check.ts";

export default async function (req, res) {
  const t = suite();
  const log = [];
  const say = (level, expected, run) => { run(); log.push([level, expected]); };
  class Point { x = 1; y = 2; }
  class Empty {}
  const cycle: any = { a: 1 };
  cycle.self = cycle;

  say("info", "plain text", () => console.log("plain text"));
  say("info", "a 1 true null undefined 5n", () => console.info("a", 1, true, null, undefined, 5n));
  say("debug", "d", () => console.debug("d"));
  say("warn", "w", () => console.warn("w"));
  say("error", "e", () => console.error("e"));
  say("info", "", () => console.log());
  say("info", "s: x, d: 42, i: 3, f: 1.5, j: {\"a\":1}, %: %, rest { b: 2 }", () =>
    console.log("s: %s, d: %d, i: %i, f: %f, j: %j, %%: %%, rest", "x", "42", 3.9, "1.5", { a: 1 }, { b: 2 }));
  say("info", "{ a: 1, b: 'text', c: [ 1, 2 ] }", () => console.log({ a: 1, b: "text", c: [1, 2] }));
  say("info", "{ a: { b: { c: [Object] } } }", () => console.log({ a: { b: { c: { d: 1 } } } }));
  say("info", "{ a: { b: { c: { d: 1 } } } }", () => console.dir({ a: { b: { c: { d: 1 } } } }, { depth: null }));
  say("info", "<ref *1> { a: 1, self: [Circular *1] }", () => console.log(cycle));
  say("info", "Point { x: 1, y: 2 } Empty {}", () => console.log(new Point(), new Empty()));
  say("info", "[Object: null prototype] { a: 1 }", () => console.log(Object.assign(Object.create(null), { a: 1 })));
  say("info", "Map(2) { 'a' => 1, { k: 1 } => Set(1) { 2 } }", () => console.log(new Map<any, any>([["a", 1], [{ k: 1 }, new Set([2])]])));
  say("info", "Uint8Array(3) [ 1, 2, 3 ]", () => console.log(new Uint8Array([1, 2, 3])));
  say("info", "[ 1, <2 empty items>, 4 ]", () => console.log([1, , , 4]));
  say("info", "[Function: named] [class Point] [Function (anonymous)]", () => console.log(function named() {}, Point, (() => () => {})()));
  say("info", "2020-01-02T03:04:05.000Z /x/g Symbol(s) -0", () => console.log(new Date(Date.UTC(2020, 0, 2, 3, 4, 5)), /x/g, Symbol("s"), -0));
  say("info", "Promise { 5 } Promise { <pending> }", () => console.log(Promise.resolve(5), new Promise(() => {})));
  say("info", "[ 'it\\'s \"q\" `b`', \"it's\" ]", () => console.log(["it's \"q\" `b`", "it's"]));
  say("info", "{ get: [Getter], [Symbol(k)]: 1 }", () => console.log({ get get() { return 1; }, [Symbol("k")]: 1 }));
  say("info", "Headers { 'a' => '1' }", () => console.log(new Headers({ a: "1" })));
  say("info", "URLSearchParams { 'a' => '1' }", () => console.log(new URLSearchParams("a=1")));
  say("info", "<Buffer 61 62>", () => console.log((globalThis as any).Buffer.from("ab")));
  say("error", "Assertion failed: told 5", () => console.assert(false, "told %d", 5));
  console.assert(true, "never");
  say("info", "x: 1", () => console.count("x"));
  say("info", "x: 2", () => console.count("x"));
  console.countReset("x");
  say("info", "x: 1", () => console.count("x"));
  say("info", "group", () => console.group("group"));
  say("info", "  inside\n  two lines", () => console.log("inside\ntwo lines"));
  console.groupEnd();
  say("info", "outside", () => console.log("outside"));
  say("info", "┌─────────┬───┬───┐\n│ (index) │ a │ b │\n├─────────┼───┼───┤\n│ 0       │ 1 │ 2 │\n│ 1       │ 3 │   │\n└─────────┴───┴───┘", () =>
    console.table([{ a: 1, b: 2 }, { a: 3 }]));
  say("warn", 'console: there is no timer "none"', () => console.timeEnd("none"));
  say("info", "lone \ufffd", () => console.log("lone \ud800"));

  const proxy = new Proxy({}, { ownKeys() { throw new Error("no"); } });
  console.log(proxy);
  log.push(["info", "[cannot be shown: no]"]);
  t.ok("nothing threw", true);
  return t.result({ log });
}
