// kv: durable values. It uses keys that start with "check:".
import { suite } from "./_lib/check.ts";

declare const kv: any;

export default async function (req, res) {
  const t = suite();
  for (const key of (await kv.list({ prefix: "check:" })).keys) await kv.delete(key);
  await t.group("round trips", async () => {
    const values = ["text", "", "€\u0000", 5, -7, 0, 1.5, true, false, null, { a: [1, { b: null }] }, [], new Uint8Array([0, 255]), 2n ** 60n, "12", "s"];
    for (const value of values) {
      await kv.set("check:value", value);
      t.equal(`value ${String(value)}`, await kv.get("check:value"), value);
    }
    t.equal("missing", await kv.get("check:none"), undefined);
    t.equal("delete", [await kv.delete("check:value"), await kv.delete("check:value"), await kv.get("check:value")], [true, false, undefined]);
  });
  await t.group("increment", async () => {
    t.equal("from nothing", await kv.increment("check:n"), 1);
    t.equal("by", await kv.increment("check:n", 41), 42);
    t.equal("down", await kv.increment("check:n", -50), -8);
    await kv.set("check:n", 100);
    t.equal("after set", await kv.increment("check:n"), 101);
    t.equal("read", await kv.get("check:n"), 101);
    await kv.set("check:n", "text");
    await t.rejects("text", () => kv.increment("check:n"), "NotANumber");
    await t.rejects("fraction", () => kv.increment("check:m", 0.5), "TypeError");
  });
  await t.group("compareAndSet", async () => {
    t.equal("create", await kv.compareAndSet("check:c", undefined, { v: 1 }), true);
    t.equal("create again", await kv.compareAndSet("check:c", undefined, { v: 2 }), false);
    t.equal("change", await kv.compareAndSet("check:c", { v: 1 }, "two"), true);
    t.equal("stale", await kv.compareAndSet("check:c", { v: 1 }, "three"), false);
    t.equal("value", await kv.get("check:c"), "two");
    t.equal("delete", await kv.compareAndSet("check:c", "two", undefined), true);
    t.equal("gone", await kv.get("check:c"), undefined);
  });
  await t.group("list", async () => {
    for (const name of ["a", "b", "c"]) await kv.set(`check:list:${name}`, name);
    const first = await kv.list({ prefix: "check:list:", limit: 2 });
    t.equal("first page", first.keys, ["check:list:a", "check:list:b"]);
    const second = await kv.list({ prefix: "check:list:", limit: 2, cursor: first.cursor });
    t.equal("second page", [second.keys, second.cursor], [["check:list:c"], null]);
    await t.rejects("limit", () => kv.list({ limit: 0 }), "RangeError");
  });
  await t.group("refused", async () => {
    await t.rejects("undefined", () => kv.set("check:x", undefined), "TypeError");
    await t.rejects("function", () => kv.set("check:x", () => {}), "TypeError");
    await t.rejects("NaN", () => kv.set("check:x", NaN), "TypeError");
    await t.rejects("empty key", () => kv.get(""), "TypeError");
    await t.rejects("number as key", () => kv.get(5), "TypeError");
    const cycle: any = {};
    cycle.self = cycle;
    await t.rejects("cycle", () => kv.set("check:x", cycle), "TypeError");
    for (const inside of [new Uint8Array(1), new ArrayBuffer(1), new Map(), new Set(), Promise.resolve(), new Error("e"), /x/, NaN, Infinity, 1n,
      new Headers(), new Blob([]), new Response("x"), new WeakMap(), [].values(), { toJSON: () => new Set([1]) }]) {
      await t.rejects(`${Object.prototype.toString.call(inside)} inside`, () => kv.set("check:x", { list: [inside] }), "TypeError");
    }
    t.equal("nothing stored", await kv.get("check:x"), undefined);
    t.match("says where", await kv.set("check:x", { tags: new Set() }).catch((error) => error.message), /"tags" is a Set, of which JSON keeps nothing; store \[\.\.\.set\]/);
    t.match("says what", await kv.set("check:x", undefined).catch((error) => error.message), /^kv: undefined cannot be stored/);
    t.match("empty key", await kv.get("").catch((error) => error.message), /^kv: a key has at least one character$/);
  });
  await t.group("as JSON has it", async () => {
    const date = new Date(0);
    class Point { constructor(public x: number) {} }
    class Empty {}
    class Named extends Map { toJSON() { return [...this]; } }
    await kv.set("check:x", { date, gone: undefined, url: new URL("http://a/"), point: new Point(1), empty: new Empty(), map: new Named([[1, 2]]), buffer: Buffer.from("a"), bare: Object.create(null) });
    t.equal("own forms", await kv.get("check:x"),
      { date: "1970-01-01T00:00:00.000Z", url: "http://a/", point: { x: 1 }, empty: {}, map: [[1, 2]], buffer: { type: "Buffer", data: [97] }, bare: {} });
  });
  return t.result();
}
