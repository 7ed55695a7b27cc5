// Headers (Fetch Standard section 5.1).
import { suite } from "./_lib/check.ts";

export default async function (req, res) {
  const t = suite();
  await t.group("basics", () => {
    const headers = new Headers({ "X-B": "1", "x-a": " 2 \t" });
    headers.append("X-b", "3");
    t.equal("get", [headers.get("X-B"), headers.get("x-A"), headers.get("none")], ["1, 3", "2", null]);
    t.equal("sorted", [...headers], [["x-a", "2"], ["x-b", "1, 3"]]);
    t.equal("keys", [...headers.keys()], ["x-a", "x-b"]);
    t.equal("values", [...headers.values()], ["2", "1, 3"]);
    t.equal("has", [headers.has("X-A"), headers.has("x")], [true, false]);
    headers.set("x-b", "9");
    t.equal("set", headers.get("x-b"), "9");
    headers.delete("X-B");
    t.equal("delete", headers.has("x-b"), false);
    const seen = [];
    headers.forEach((value, name, all) => seen.push([name, value, all === headers]));
    t.equal("forEach", seen, [["x-a", "2", true]]);
    t.equal("pairs", [...new Headers([["a", "1"], ["a", "2"]])], [["a", "1, 2"]]);
    t.equal("copy", [...new Headers(headers)], [["x-a", "2"]]);
    t.equal("Map", new Headers(new Map([["k", "v"]]) as any).get("k"), "v");
    t.equal("tag", String(headers), "[object Headers]");
  });
  await t.group("Set-Cookie", () => {
    const headers = new Headers([["set-cookie", "a=1"], ["b", "x"], ["Set-Cookie", "c=2"]]);
    t.equal("getSetCookie", headers.getSetCookie(), ["a=1", "c=2"]);
    t.equal("apart", [...headers], [["b", "x"], ["set-cookie", "a=1"], ["set-cookie", "c=2"]]);
    t.equal("get", headers.get("set-cookie"), "a=1, c=2");
    headers.delete("set-cookie");
    t.equal("deleted", headers.getSetCookie(), []);
  });
  await t.group("live iteration", () => {
    const headers = new Headers({ a: "1", c: "3" });
    const seen = [];
    for (const [name] of headers) {
      seen.push(name);
      if (name === "a") headers.set("b", "2");
    }
    t.equal("sees additions", seen, ["a", "b", "c"]);
  });
  await t.group("validation", () => {
    const headers = new Headers();
    t.throws("space in name", () => headers.set("a b", "1"), "TypeError");
    t.throws("empty name", () => headers.get(""), "TypeError");
    t.throws("line break", () => headers.set("a", "1\n2"), "TypeError");
    t.throws("NUL", () => headers.set("a", "\0"), "TypeError");
    t.throws("wide character", () => headers.set("a", "€"), "TypeError");
    headers.set("a", "caf\xe9");
    t.equal("latin1", headers.get("a"), "caf\xe9");
    headers.set("e", "");
    t.equal("empty value", headers.get("e"), "");
    t.throws("null", () => new Headers(null as any), "TypeError");
    t.throws("pair of three", () => new Headers([["a", "b", "c"]] as any), "TypeError");
    t.throws("one argument", () => (headers as any).append("a"), "TypeError");
  });
  await t.group("immutable", () => {
    t.throws("Response.error", () => Response.error().headers.set("a", "1"), "TypeError");
    t.throws("Response.redirect", () => Response.redirect("http://x/").headers.append("a", "1"), "TypeError");
  });
  return t.result();
}
