// req, res and metadata of the Node style, as `routes/node.ts` sees them.
import { suite } from "./_lib/check.ts";

export default async function (req, res, metadata) {
  const t = suite();
  const folder = metadata.path.replace(/[^/]*$/, "routes/");
  const see = async (path, init = {}) => (await fetch(folder + path, init)).json();
  const post = (body, type) => see("node", { method: "POST", body, headers: type ? { "content-type": type } : {} });

  await t.group("GET", async () => {
    const seen = await see("node?a=1&b=2&a=3&c=%20x&__proto__=p", { headers: { "X-Own": "v" } });
    t.equal("request", [seen.method, seen.url, seen.host, seen.headers["x-own"], seen.body, seen.raw, seen.files, seen.noQuery],
      ["GET", folder + "node?a=1&b=2&a=3&c=%20x&__proto__=p", "string", "v", null, null, [], true]);
    t.equal("query", [seen.metadata.query.a, seen.metadata.query.b, seen.metadata.query.c], ["3", "2", " x"]);
    t.equal("metadata", [seen.metadata.method, seen.metadata.path, seen.metadata.url, seen.metadata.depth, seen.remote],
      ["GET", folder + "node", seen.url, 1, true]);
    t.ok("executionId", seen.metadata.executionId.length > 3);
  });
  await t.group("bodies", async () => {
    t.equal("json", (await post('{"a":[1]}', "application/json; charset=utf-8")).body, { a: [1] });
    t.equal("+json", (await post("5", "application/ld+json")).body, 5);
    t.equal("urlencoded", (await post("a=1&a=2&b=+x", "application/x-www-form-urlencoded")).body, { a: "2", b: " x" });
    const other = await post("\u00e9", "text/plain");
    t.equal("other", [other.body, other.bodyKind, other.raw], [{ type: "Buffer", data: [195, 169] }, "[object Uint8Array]", "\u00c3\u00a9"]);
    t.equal("none", (await see("node", { method: "DELETE" })).body, null);
    t.equal("raw of json", (await post('{ "a":1}', "application/json")).raw, '{ "a":1}');
    const form = new FormData();
    form.append("text", "v");
    form.append("file", new File(["data"], "f.txt", { type: "text/x" }));
    const multipart = await see("node", { method: "POST", body: form });
    t.equal("multipart", [multipart.body, multipart.files],
      [{ text: "v" }, [{ fieldName: "file", filename: "f.txt", type: "text/x", size: 4, data: "data" }]]);
  });
  await t.group("bad bodies", async () => {
    const bad = await fetch(folder + "node", { method: "POST", body: "{", headers: { "content-type": "application/json" } });
    t.equal("json", bad.status, 400);
    const answer = await bad.json();
    t.equal("message", answer.error, "Invalid JSON body");
    t.equal("details", Object.keys(answer.details ?? {}).sort(), ["bodyPreview", "contentType", "hint", "parseError"]);
    const multipart = await fetch(folder + "node", { method: "POST", body: "x", headers: { "content-type": "multipart/form-data; boundary=b" } });
    t.equal("multipart", multipart.status, 400);
  });
  await t.group("streams", async () => {
    t.equal("@rawBody", await see("raw", { method: "POST", body: "raw text" }), { text: "raw text", body: true, rawBody: true });
    t.equal("iterating", (await see("node?rest=1", { method: "POST", body: "whole" })).parts, ["whole"]);
  });
  await t.group("parameters", async () => {
    const { parameters, query } = await see("params/7%2F8/a/b%20c?id=lost&x=1");
    t.equal("parameters", parameters, { id: "7/8", rest: ["a", "b c"] });
    t.equal("query", query, { id: "7/8", x: "1", rest: ["a", "b c"] });
  });
  return t.result();
}
