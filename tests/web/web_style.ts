// The Web style, as `routes/web.ts` answers.
import { suite, tick } from "./_lib/check.ts";

export default async function (req, res, metadata) {
  const t = suite();
  const route = metadata.path.replace(/[^/]*$/, "routes/web");
  await t.group("request", async () => {
    const seen = await (await fetch(`${route}?do=see&x=%20`, { method: "PUT", body: "b", headers: { "x-own": "1" } })).json();
    t.equal("seen", [seen.method, seen.own, seen.isRequest, seen.body, seen.env, seen.ctx, seen.path, seen.signal],
      ["PUT", "1", true, "b", "object", ["metadata", "passThroughOnException", "shared", "waitUntil"], route, true]);
    t.match("url", seen.url, /^https?:\/\/[^/]+\/.*routes\/web\?do=see&x=%20$/);
    t.equal("GET has no body", (await (await fetch(`${route}?do=see`)).json()).body, null);
  });
  await t.group("bodies", async () => {
    t.equal("stream", await (await fetch(`${route}?do=stream`, { method: "POST", body: "abc" })).text(), "ABC");
    t.equal("form", await (await fetch(`${route}?do=form`, { method: "POST", body: new URLSearchParams({ a: "1" }) })).json(), [["a", "1"]]);
    t.equal("clone", await (await fetch(`${route}?do=clone`, { method: "POST", body: "c" })).json(), ["c", "c"]);
  });
  await t.group("answers", async () => {
    t.equal("plain", await (await fetch(`${route}?do=plain`)).json(), { plain: true });
    t.equal("status", (await fetch(`${route}?do=none`)).status, 404);
    t.equal("immutable headers", (await fetch(`${route}?do=immutable`)).status, 500);
  });
  await t.group("waitUntil", async () => {
    const before = Number(await (await fetch(`${route}?do=wait`)).text());
    await tick(100);
    t.equal("ran", Number(await (await fetch(`${route}?do=wait`)).text()), before + 1);
  });
  return t.result();
}
