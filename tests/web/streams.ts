// The Streams Standard, and URLPattern.
import { suite } from "./_lib/check.ts";

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

export default async function (req, res) {
  const t = suite();
  await t.group("ReadableStream", async () => {
    t.equal("from", await collect(ReadableStream.from([1, 2, 3])), [1, 2, 3]);
    let pulls = 0;
    const counting = new ReadableStream({ pull(c) { c.enqueue(++pulls); if (pulls === 3) c.close(); } });
    t.equal("pull", await collect(counting), [1, 2, 3]);
    const [a, b] = ReadableStream.from(["x", "y"]).tee();
    t.equal("tee", [await collect(a), await collect(b)], [["x", "y"], ["x", "y"]]);
    let cancelled;
    const endless = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel(reason) { cancelled = reason; } });
    const reader = endless.getReader();
    await reader.read();
    await reader.cancel("enough");
    t.equal("cancel", cancelled, "enough");
    t.throws("locked", () => endless.getReader(), "TypeError");
    await t.rejects("error", () => collect(new ReadableStream({ start(c) { c.error(new RangeError("x")); } })), "RangeError");
    const early = ReadableStream.from([1, 2, 3]);
    for await (const part of early) { t.equal("break", part, 1); break; }
  });
  await t.group("bytes", async () => {
    const stream = new ReadableStream({ type: "bytes", start(c) { c.enqueue(new Uint8Array([1, 2, 3, 4])); c.close(); } });
    const reader = stream.getReader({ mode: "byob" });
    const { value } = await reader.read(new Uint8Array(3));
    t.equal("byob", [...value], [1, 2, 3]);
  });
  await t.group("pipes", async () => {
    const upper = new TransformStream({ transform(part, c) { c.enqueue(part.toUpperCase()); }, flush(c) { c.enqueue("!"); } });
    t.equal("pipeThrough", await collect(ReadableStream.from(["a", "b"]).pipeThrough(upper)), ["A", "B", "!"]);
    const written = [];
    let closed = false;
    const sink = new WritableStream({ write(part) { written.push(part); }, close() { closed = true; } });
    await ReadableStream.from([1, 2]).pipeTo(sink);
    t.equal("pipeTo", [written, closed], [[1, 2], true]);
    const controller = new AbortController();
    controller.abort();
    await t.rejects("pipeTo aborted", () => ReadableStream.from([1]).pipeTo(new WritableStream(), { signal: controller.signal }), "AbortError");
    const writer = new WritableStream({ write() { throw new RangeError("full"); } }).getWriter();
    await t.rejects("write fails", () => writer.write(1), "RangeError");
    writer.closed.catch(() => {});
  });
  await t.group("strategies", () => {
    t.equal("CountQueuingStrategy", new CountQueuingStrategy({ highWaterMark: 4 }).highWaterMark, 4);
    t.equal("ByteLengthQueuingStrategy", new ByteLengthQueuingStrategy({ highWaterMark: 4 }).size(new Uint8Array(3)), 3);
    t.equal("tag", Object.prototype.toString.call(ReadableStream.from([])), "[object ReadableStream]");
  });
  await t.group("URLPattern", () => {
    const Pattern = (globalThis as any).URLPattern;
    const pattern = new Pattern({ pathname: "/users/:id/:rest*" });
    t.equal("exec", { ...pattern.exec("http://h/users/7/a/b").pathname.groups }, { id: "7", rest: "a/b" });
    t.equal("test", [pattern.test("http://h/users/7"), pattern.test("http://h/x")], [true, false]);
  });
  return t.result();
}
