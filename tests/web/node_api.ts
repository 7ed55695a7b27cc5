// Buffer, process, require and what is missing on purpose.
import { suite } from "./_lib/check.ts";

declare const process: any, Buffer: any, require: any;

export default async function (req, res) {
  const t = suite();
  await t.group("Buffer", () => {
    const buffer = Buffer.from("hé€");
    t.equal("utf8", [buffer.length, buffer.toString(), Buffer.isBuffer(buffer), buffer instanceof Uint8Array], [6, "hé€", true, true]);
    t.equal("encodings", [buffer.toString("hex"), buffer.toString("base64"), buffer.toString("base64url"), Buffer.from("é").toString("latin1")],
      ["68c3a9e282ac", "aMOp4oKs", "aMOp4oKs", "Ã©"]);
    t.equal("from", [Buffer.from("6869", "hex").toString(), Buffer.from("aGk=", "base64").toString(), Buffer.from("aGk", "base64url").toString(),
      Buffer.from("\xe9", "latin1")[0], Buffer.from([104, 361]).toString()], ["hi", "hi", "hi", 0xe9, "hi"]);
    t.equal("utf16le", Buffer.from("a€", "utf16le").toString("utf16le"), "a€");
    t.equal("concat", Buffer.concat([Buffer.from("a"), new Uint8Array([98])]).toString(), "ab");
    t.equal("alloc", [...Buffer.alloc(3, 1)], [1, 1, 1]);
    t.equal("fill", Buffer.alloc(5, "ab").toString(), "ababa");
    t.equal("byteLength", Buffer.byteLength("€"), 3);
    t.equal("equals", [buffer.equals(Buffer.from("hé€")), buffer.equals(Buffer.from("x"))], [true, false]);
    const part = buffer.slice(0, 1);
    part[0] = 0x48;
    t.equal("slice shares", buffer.toString(), "Hé€");
    t.equal("toJSON", JSON.stringify(Buffer.from("a")), '{"type":"Buffer","data":[97]}');
    t.equal("indexOf", [buffer.indexOf("é"), buffer.includes("z")], [1, false]);
    t.equal("compare", Buffer.compare(Buffer.from("a"), Buffer.from("b")), -1);
    t.equal("read", Buffer.from([1, 2, 3, 4]).readUInt32BE(0), 0x01020304);
    t.equal("write", (() => { const b = Buffer.alloc(4); b.write("xyz", 1); return b.toString("latin1"); })(), "\0xyz");
    const bytes = Buffer.from([0x80, 1, 2, 3, 4, 5, 6, 7]);
    t.equal("integers", [bytes.readInt8(0), bytes.readInt16BE(0), bytes.readUInt16LE(0), bytes.readInt32LE(4), bytes.readUIntBE(1, 6), bytes.readIntLE(0, 3)],
      [-128, -32767, 0x180, 0x07060504, 0x010203040506, 0x020180]);
    t.equal("bigints", [bytes.readBigUInt64BE(0), bytes.readBigInt64BE(0)], [0x8001020304050607n, BigInt.asIntN(64, 0x8001020304050607n)]);
    const written = (write: (to: any) => number) => { const to = Buffer.alloc(8); return [write(to), to.toString("hex")]; };
    t.equal("writes", [written((to) => to.writeInt16BE(-2, 1)), written((to) => to.writeUIntLE(0x123456, 0, 3)), written((to) => to.writeDoubleBE(1.5)), written((to) => to.writeFloatLE(0.5, 4))],
      [[3, "00fffe0000000000"], [3, "5634120000000000"], [8, "3ff8000000000000"], [8, "000000000000003f"]]);
    t.equal("fractions", [written((to) => to.writeIntBE(-1.5, 0, 3)), written((to) => to.writeIntBE(-0.5, 0, 3))], [[3, "ffffff0000000000"], [3, "0000000000000000"]]);
    t.throws("a text as bigint", () => Buffer.alloc(8).writeBigInt64BE("5"), "TypeError");
    t.throws("too large", () => Buffer.alloc(1).writeUInt8(256), "RangeError");
    t.throws("behind the end", () => bytes.readUInt32BE(5), "RangeError");
    t.equal("lastIndexOf", Buffer.from("abab").lastIndexOf("ab"), 2);
    t.throws("encoding", () => buffer.toString("nope"), "TypeError");
    t.throws("from null", () => Buffer.from(null), "TypeError");
    t.throws("alloc -1", () => Buffer.alloc(-1), "RangeError");
  });
  await t.group("process", async () => {
    t.equal("env", [process.env.SURELY_NOT_SET, "SURELY_NOT_SET" in process.env], [undefined, false]);
    process.env.ADDED = 5;
    t.equal("env is writable", [process.env.ADDED, Object.keys(process.env).includes("ADDED")], ["5", true]);
    delete process.env.ADDED;
    t.equal("deleted", process.env.ADDED, undefined);
    t.ok("spread", typeof { ...process.env } === "object");
    t.equal("platform", process.platform, "wasi");
    const order = [];
    process.nextTick((value) => order.push(value), "tick");
    await null;
    await null;
    t.equal("nextTick", order, ["tick"]);
    t.throws("exit", () => process.exit(0), "Error");
  });
  await t.group("timers/promises", async () => {
    const { setTimeout: sleep } = require("timers/promises");
    t.equal("value", await sleep(1, 5), 5);
    const controller = new AbortController();
    const aborted = sleep(60_000, 5, { signal: controller.signal });
    controller.abort();
    await t.rejects("abort", () => aborted, "AbortError");
    await t.rejects("aborted before", () => sleep(1, 5, { signal: AbortSignal.abort() }), "AbortError");
  });
  await t.group("require", () => {
    t.ok("buffer", require("node:buffer").Buffer === Buffer);
    t.throws("fs", () => require("fs"), "Error");
    try {
      require("lodash");
    } catch (error) {
      t.equal("code", error.code, "MODULE_NOT_FOUND");
      t.match("message", error.message, /bundle it/);
    }
  });
  await t.group("globals", () => {
    const names = ["self", "globalThis", "navigator", "structuredClone", "URL", "Headers", "Request", "Response", "ReadableStream", "crypto", "kv", "fetch"];
    t.equal("present", names.filter((name) => typeof globalThis[name] === "undefined"), []);
    t.equal("absent", ["WebSocket", "XMLHttpRequest", "WebAssembly", "Intl", "document", "window", "Deno", "Bun", "__native"].filter((name) => typeof globalThis[name] !== "undefined"), []);
    t.equal("navigator", navigator.userAgent, "Footpath");
    t.ok("self", self === globalThis);
    t.equal("not enumerable", Object.keys(globalThis).filter((name) => !name.startsWith("on")), []);
  });
  await t.group("the engine's modules", async () => {
    await t.rejects("import", () => Function('return import("footpath:native.js")')(), "ReferenceError");
  });
  return t.result();
}
