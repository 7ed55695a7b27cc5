// Redirects of fetch (Fetch Standard section 4.5).
import { suite } from "./_lib/check.ts";

export default async function (req, res, metadata) {
  const t = suite();
  const upstream = metadata.path.replace(/[^/]*$/, "routes/upstream");
  const at = (query) => `${upstream}?do=${query}`;

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
  return t.result();
}
