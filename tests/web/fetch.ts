// fetch (Fetch Standard section 5.6), of neighbours in the same deployment.
import { suite, tick } from "./_lib/check.ts";

export default async function (req, res, metadata) {
  const t = suite();
  const upstream = metadata.path.replace(/[^/]*$/, "routes/upstream");
  const at = (query) => `${upstream}?do=${query}`;

  await t.group("basics", async () => {
    const response = await fetch(at("echo&x=1"), { headers: { "X-Own": "v" } });
    t.equal("response", [response.status, response.ok, response.redirected, response.type, response instanceof Response], [200, true, false, "basic", true]);
    t.match("url", response.url, /^https?:\/\/.*\/routes\/upstream\?do=echo&x=1$/);
    t.equal("content-type", response.headers.get("content-type"), "application/json");
    t.throws("immutable", () => response.headers.set("a", "1"), "TypeError");
    const echo = await response.json();
    t.equal("seen", [echo.method, echo.headers["x-own"], echo.headers.accept, echo.body, echo.depth], ["GET", "v", "*/*", null, 1]);
    t.equal("status", (await fetch(at("status&code=404"))).ok, false);
    t.equal("URL object", (await fetch(new URL(at("status&code=201"), "http://ignored/").pathname + "?do=status&code=201")).status, 201);
    t.equal("Request", (await fetch(new Request(at("status&code=202")))).status, 202);
    t.equal("HEAD", [(await fetch(at("echo"), { method: "HEAD" })).status, await (await fetch(at("echo"), { method: "HEAD" })).text()], [200, ""]);
    t.equal("500 is an answer", (await fetch(at("nonsense"))).status, 500);
    t.equal("404", (await fetch(upstream + "-none")).status, 404);
  });
  await t.group("bodies", async () => {
    const send = async (body, headers = {}) => (await fetch(at("echo"), { method: "POST", body, headers, duplex: "half" } as any)).json();
    const text = await send("hé");
    t.equal("text", [text.method, text.body, text.headers["content-type"], text.headers["content-length"]], ["POST", "hé", "text/plain;charset=UTF-8", "3"]);
    t.equal("bytes", (await send(new TextEncoder().encode("b"))).body, "b");
    t.equal("URLSearchParams", (await send(new URLSearchParams({ a: "b c" }))).body, "a=b+c");
    t.equal("json", (await send(JSON.stringify({ a: 1 }), { "content-type": "application/json" })).body, '{"a":1}');
    const form = new FormData();
    form.set("k", "v");
    t.match("FormData", (await send(form)).body, /name="k"\r\n\r\nv\r\n/);
    t.equal("stream", (await send(ReadableStream.from([new TextEncoder().encode("a"), new TextEncoder().encode("b")]))).body, "ab");
    async function* parts() { yield "x"; await tick(2); yield "y"; }
    t.equal("async iterable", (await send(parts())).body, "xy");
    t.equal("empty POST", (await send(undefined)).headers["content-length"], "0");
    const failing = new ReadableStream({ pull() { throw new RangeError("upload"); } });
    await t.rejects("failing upload", () => send(failing), "RangeError");
  });
  await t.group("answers", async () => {
    const streamed = await fetch(at("stream"));
    let text = "";
    for await (const part of streamed.body.pipeThrough(new TextDecoderStream())) text += part;
    t.equal("stream", text, "part 0\npart 1\npart 2\npart 3\npart 4\n");
    t.equal("big", (await (await fetch(at("big&bytes=300000"))).bytes()).length, 300000);
    const cookies = await fetch(at("cookies"));
    t.equal("cookies", [cookies.headers.getSetCookie(), cookies.headers.get("x-latin")], [["a=1; Path=/", "b=2"], "caf\xe9"]);
    const response = await fetch(at("echo"));
    const copy = response.clone();
    t.equal("clone", (await response.json()).url, (await copy.json()).url);
    const unread = await fetch(at("stream"));
    await unread.body.cancel();
    t.ok("cancelled", unread.bodyUsed);
  });
  await t.group("redirects", async () => {
    const to = (target, code = 302, init = {}) => fetch(at(`redirect&code=${code}&to=${encodeURIComponent(target)}`), init);
    const followed = await to(at("echo"));
    t.equal("follow", [followed.status, followed.redirected, /do=echo$/.test(followed.url)], [200, true, true]);
    const posted = async (code) => (await to(at("echo"), code, { method: "POST", body: "b", headers: { "content-type": "a/b" } })).json();
    const seen = async (code) => { const echo = await posted(code); return [echo.method, echo.body || null, echo.headers["content-type"] ?? null]; };
    t.equal("301", await seen(301), ["GET", null, null]);
    t.equal("302", await seen(302), ["GET", null, null]);
    t.equal("303", await seen(303), ["GET", null, null]);
    t.equal("307", await seen(307), ["POST", "b", "a/b"]);
    t.equal("308", await seen(308), ["POST", "b", "a/b"]);
    const manual = await to(at("echo"), 302, { redirect: "manual" });
    t.equal("manual", [manual.status, manual.headers.get("location")], [302, at("echo")]);
    await t.rejects("error", () => to(at("echo"), 302, { redirect: "error" }), "TypeError");
    await t.rejects("loop", () => fetch(at("loop")), "TypeError");
    await t.rejects("other scheme", () => to("ftp://h/"), "TypeError");
    const kept = await (await to(at("echo"), 302, { headers: { authorization: "Bearer x" } })).json();
    t.equal("authorization within the origin", kept.headers.authorization, "Bearer x");
    const relative = await to("upstream?do=echo&relative=1");
    t.match("relative location", relative.url, /routes\/upstream\?do=echo&relative=1$/);
  });
  await t.group("abort", async () => {
    await t.rejects("before", () => fetch(at("echo"), { signal: AbortSignal.abort() }), "AbortError");
    await t.rejects("own reason", () => fetch(at("echo"), { signal: AbortSignal.abort(new RangeError("mine")) }), "RangeError");
    const response = await fetch(at("stream"), { signal: AbortSignal.timeout(5000) });
    t.equal("not aborted", (await response.text()).length, 35);
  });
  await t.group("concurrent", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => fetch(at(`status&code=${200 + i % 3}`))));
    t.equal("all", answers.map((one) => one.status), [200, 201, 202, 200, 201, 202, 200, 201]);
  });
  await t.group("errors", async () => {
    await t.rejects("not a URL", () => fetch("http://"), "TypeError");
    await t.rejects("scheme", () => fetch("data:text/plain,x"), "TypeError");
    await t.rejects("GET with body", () => fetch(at("echo"), { body: "x" }), "TypeError");
    try {
      await fetch("http://127.0.0.1:1/");
      t.ok("refused", false);
    } catch (error) {
      t.equal("refused", [error.name, error.cause instanceof Error, typeof error.cause?.code], ["TypeError", true, "string"]);
    }
  });
  return t.result();
}
