// structuredClone (HTML Standard section 2.7).
import { suite } from "./_lib/check.ts";

export default async function (req, res) {
  const t = suite();
  await t.group("values", () => {
    for (const value of [undefined, null, true, 1.5, -0, NaN, "text", 10n]) t.equal(`primitive ${String(value)}`, structuredClone(value), value);
    const source = { a: [1, { b: 2 }], d: new Date(5), r: /x/gi, n: null };
    const copy = structuredClone(source);
    t.equal("object", copy, source);
    t.ok("not the same", copy !== source && copy.a !== source.a && copy.d !== source.d);
    t.equal("Map", structuredClone(new Map([["a", { b: 1 }]])), new Map([["a", { b: 1 }]]));
    t.equal("Set", structuredClone(new Set([1, "2"])), new Set([1, "2"]));
    t.equal("boxes", [structuredClone(Object(5)).valueOf(), structuredClone(Object("s")).valueOf()], [5, "s"]);
    const cycle: any = { name: "c" };
    cycle.self = cycle;
    const cloned = structuredClone(cycle);
    t.ok("cycle", cloned.self === cloned && cloned !== cycle);
    const shared = {};
    const two = structuredClone([shared, shared]);
    t.ok("identity", two[0] === two[1]);
    t.equal("sparse", [0 in structuredClone([, 1]), structuredClone([, 1]).length], [false, 2]);
    class Own { x = 1; get y() { return 2; } }
    const own = structuredClone(new Own());
    t.equal("class instance", [own.constructor === Object, own.x, (own as any).y], [true, 1, undefined]);
  });
  await t.group("errors", () => {
    const source = new RangeError("m", { cause: { a: 1 } });
    const copy = structuredClone(source);
    t.equal("error", [copy.name, copy.message, copy.cause, copy instanceof RangeError, copy.stack], ["RangeError", "m", { a: 1 }, true, source.stack]);
    const own = new Error("x");
    own.name = "Own";
    t.equal("own name", structuredClone(own).name, "Error");
    t.equal("DOMException", structuredClone(new DOMException("m", "AbortError")).name, "AbortError");
  });
  await t.group("buffers", () => {
    const buffer = new Uint8Array([1, 2, 3, 4]).buffer;
    t.equal("ArrayBuffer", structuredClone(buffer), buffer);
    const view = structuredClone(new Uint16Array(buffer, 2, 1));
    t.equal("view", [view.byteOffset, view.length, view.buffer.byteLength], [2, 1, 4]);
    t.equal("DataView", structuredClone(new DataView(buffer, 1)).getUint8(0), 2);
    const pair = structuredClone({ a: new Uint8Array(buffer), b: new Uint8Array(buffer) });
    t.ok("one buffer", pair.a.buffer === pair.b.buffer);
    const moved = new Uint8Array([7, 8]).buffer;
    const copy = structuredClone({ moved }, { transfer: [moved] });
    t.equal("transfer", [new Uint8Array(copy.moved), moved.byteLength], [new Uint8Array([7, 8]), 0]);
    t.throws("detached", () => structuredClone(moved), "DataCloneError");
    t.throws("transfer of object", () => structuredClone({}, { transfer: [{} as any] }), "DataCloneError");
  });
  await t.group("refused", () => {
    t.throws("function", () => structuredClone(() => {}), "DataCloneError");
    t.throws("symbol", () => structuredClone(Symbol("s")), "DataCloneError");
    t.throws("nested", () => structuredClone({ a: [Symbol("s")] }), "DataCloneError");
    t.throws("WeakMap", () => structuredClone(new WeakMap()), "DataCloneError");
    t.throws("Promise", () => structuredClone(Promise.resolve()), "DataCloneError");
    t.throws("Headers", () => structuredClone(new Headers()), "DataCloneError");
    t.throws("nothing", () => (structuredClone as any)(), "TypeError");
  });
  return t.result();
}
