// Response, Request and their bodies (Fetch Standard sections 5.3 to 5.5).
import { suite } from "./_lib/check.ts";

const text = (value) => new TextEncoder().encode(value);

export default async function (req, res) {
  const t = suite();
  await t.group("Response", async () => {
    const response = new Response("hé", { status: 201, statusText: "Made", headers: { "X-A": "1" } });
    t.equal("fields", [response.status, response.statusText, response.ok, response.type, response.url, response.redirected],
      [201, "Made", true, "default", "", false]);
    t.equal("content-type", response.headers.get("content-type"), "text/plain;charset=UTF-8");
    t.equal("bodyUsed before", response.bodyUsed, false);
    t.equal("text", await response.text(), "hé");
    t.equal("bodyUsed after", response.bodyUsed, true);
    await t.rejects("used", () => response.text(), "TypeError");
    t.equal("no body", [new Response().body, await new Response().text(), new Response().bodyUsed], [null, "", false]);
    t.equal("null body", new Response(null, { status: 204 }).body, null);
    t.throws("204 with body", () => new Response("x", { status: 204 }), "TypeError");
    t.throws("status 99", () => new Response("", { status: 99 }), "RangeError");
    t.throws("status 600", () => new Response("", { status: 600 }), "RangeError");
    t.throws("statusText", () => new Response("", { statusText: "a\n" }), "TypeError");
  });
  await t.group("bodies", async () => {
    t.equal("json", await new Response('{"a":[1]}').json(), { a: [1] });
    await t.rejects("bad json", () => new Response("{").json(), "SyntaxError");
    t.equal("arrayBuffer", new Uint8Array(await new Response("ab").arrayBuffer()), text("ab"));
    t.equal("bytes", await new Response(text("ab")).bytes(), text("ab"));
    t.equal("view", await new Response(text("abcd").subarray(1, 3)).text(), "bc");
    t.equal("ArrayBuffer", await new Response(text("x").buffer).text(), "x");
    t.equal("BOM", await new Response("\ufeffa").text(), "a");
    const source = text("ab");
    const copied = new Response(source);
    source[0] = 0x7a;
    t.equal("copied", await copied.text(), "ab");
    const blob = await new Response("<p>", { headers: { "content-type": "text/html" } }).blob();
    t.equal("blob", [blob.type, blob.size, await blob.text()], ["text/html", 3, "<p>"]);
    const fromBlob = new Response(new Blob(["q"], { type: "a/b" }));
    t.equal("of Blob", [fromBlob.headers.get("content-type"), await fromBlob.text()], ["a/b", "q"]);
    const params = new Response(new URLSearchParams({ a: "b c" }));
    t.equal("of URLSearchParams", [params.headers.get("content-type"), await params.text()],
      ["application/x-www-form-urlencoded;charset=UTF-8", "a=b+c"]);
    t.equal("number", await new Response(5 as any).text(), "5");
    t.equal("own content-type", new Response("x", { headers: { "content-type": "a/b" } }).headers.get("content-type"), "a/b");
  });
  await t.group("forms", async () => {
    const form = new FormData();
    form.append("a", "1\n2");
    form.append("a", "é");
    form.append("f", new File(["data"], 'na"me.txt', { type: "text/x" }));
    const response = new Response(form);
    t.match("type", response.headers.get("content-type"), /^multipart\/form-data; boundary=/);
    const parsed = await response.formData();
    t.equal("texts", parsed.getAll("a"), ["1\r\n2", "é"]);
    const file = parsed.get("f") as File;
    t.equal("file", [file.name, file.type, await file.text()], ['na"me.txt', "text/x", "data"]);
    const encoded = new Response("a=1&b=%20", { headers: { "content-type": "application/x-www-form-urlencoded" } });
    t.equal("urlencoded", [...await encoded.formData()], [["a", "1"], ["b", " "]]);
    await t.rejects("no form", () => new Response("x").formData(), "TypeError");
    await t.rejects("broken multipart", () => new Response("x", { headers: { "content-type": "multipart/form-data; boundary=b" } }).formData(), "TypeError");
  });
  await t.group("streams", async () => {
    const stream = () => new ReadableStream({ start(c) { c.enqueue(text("a")); c.enqueue(text("b")); c.close(); } });
    t.equal("of stream", await new Response(stream()).text(), "ab");
    const response = new Response("xyz");
    t.ok("body is a stream", response.body instanceof ReadableStream);
    t.ok("body is the same", response.body === response.body);
    const reader = response.body.getReader();
    await t.rejects("locked", () => response.text(), "TypeError");
    const { value } = await reader.read();
    t.equal("read", value, text("xyz"));
    t.equal("disturbed", response.bodyUsed, true);
    await t.rejects("stream of text", () => new Response(ReadableStream.from(["text"])).text(), "TypeError");
    async function* parts() { yield "a"; yield text("b"); }
    t.equal("of async iterable", await new Response(parts() as any).text(), "ab");
    const used = stream();
    await new Response(used).text();
    t.throws("used stream", () => new Response(used), "TypeError");
    const failing = new ReadableStream({ pull() { throw new RangeError("x"); } });
    await t.rejects("failing", () => new Response(failing).text(), "RangeError");
  });
  await t.group("clone", async () => {
    const response = new Response("abc", { status: 202, headers: { a: "1" } });
    const copy = response.clone();
    copy.headers.set("a", "2");
    t.equal("apart", [response.headers.get("a"), copy.status, await copy.text(), await response.text()], ["1", 202, "abc", "abc"]);
    t.throws("used", () => response.clone(), "TypeError");
    const streamed = new Response(ReadableStream.from([text("a"), text("b")]));
    const other = streamed.clone();
    t.equal("tee", [await streamed.text(), await other.text()], ["ab", "ab"]);
  });
  await t.group("static", async () => {
    const json = Response.json({ a: 1 }, { status: 418 });
    t.equal("json", [json.status, json.headers.get("content-type"), await json.text()], [418, "application/json", '{"a":1}']);
    t.throws("json of undefined", () => Response.json(undefined), "TypeError");
    const error = Response.error();
    t.equal("error", [error.type, error.status, error.ok], ["error", 0, false]);
    const redirect = Response.redirect("http://h/ä", 307);
    t.equal("redirect", [redirect.status, redirect.headers.get("location")], [307, "http://h/%C3%A4"]);
    t.equal("redirect default", Response.redirect("http://h/").status, 302);
    t.throws("redirect 200", () => Response.redirect("http://h/", 200), "RangeError");
  });
  await t.group("Request", async () => {
    const request = new Request("http://h/p#f", { method: "post", headers: { a: "1" }, body: "x" });
    t.equal("fields", [request.method, request.url, request.headers.get("a"), request.headers.get("content-type"), request.redirect],
      ["POST", "http://h/p#f", "1", "text/plain;charset=UTF-8", "follow"]);
    t.ok("signal", request.signal instanceof AbortSignal && !request.signal.aborted);
    const copy = new Request(request, { headers: { b: "2" } });
    t.equal("from Request", [copy.method, copy.headers.get("a"), copy.headers.get("b"), await copy.text(), request.bodyUsed], ["POST", null, "2", "x", true]);
    t.equal("clone", await new Request("http://h/", { method: "PUT", body: "c" }).clone().text(), "c");
    t.equal("method kept", new Request("http://h/", { method: "patch" }).method, "patch");
    t.throws("method", () => new Request("http://h/", { method: "a b" }), "TypeError");
    t.throws("TRACE", () => new Request("http://h/", { method: "trace" }), "TypeError");
    t.throws("GET with body", () => new Request("http://h/", { body: "x" }), "TypeError");
    t.throws("credentials", () => new Request("http://u:p@h/"), "TypeError");
    t.throws("bad redirect", () => new Request("http://h/", { redirect: "x" as any }), "TypeError");
    t.throws("bad signal", () => new Request("http://h/", { signal: {} as any }), "TypeError");
    t.match("relative", new Request("/a?b").url, /^https?:\/\/[^/]+\/a\?b$/);
  });
  return t.result();
}
