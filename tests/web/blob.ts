// Blob, File and FormData.
import { suite } from "./_lib/check.ts";

export default async function (req, res) {
  const t = suite();
  await t.group("Blob", async () => {
    const blob = new Blob(["a", new Uint8Array([98]), new Blob(["c"]), new Uint8Array([100]).buffer, 5 as any], { type: "Text/Plain" });
    t.equal("fields", [blob.size, blob.type], [5, "text/plain"]);
    t.equal("text", await blob.text(), "abcd5");
    t.equal("bytes", await blob.bytes(), new TextEncoder().encode("abcd5"));
    t.equal("arrayBuffer", (await blob.arrayBuffer()).byteLength, 5);
    t.equal("slice", await blob.slice(1, -1).text(), "bcd");
    t.equal("slice type", blob.slice(0, 1, "a/b").type, "a/b");
    t.equal("slice beyond", blob.slice(9).size, 0);
    t.equal("slice backwards", blob.slice(3, 1).size, 0);
    t.equal("stream", await new Response(blob.stream()).text(), "abcd5");
    t.equal("bad type", new Blob([], { type: "\u00e9" }).type, "");
    t.equal("empty", new Blob().size, 0);
    t.throws("not a list", () => new Blob("text" as any), "TypeError");
    t.equal("endings", await new Blob(["a\r\nb\rc"], { endings: "native" }).text(), "a\nb\nc");
  });
  await t.group("File", async () => {
    const file = new File(["x"], "n.txt", { type: "a/b", lastModified: 5 });
    t.equal("fields", [file.name, file.type, file.size, file.lastModified, file instanceof Blob], ["n.txt", "a/b", 1, 5, true]);
    t.throws("no name", () => new (File as any)(["x"]), "TypeError");
    t.ok("lastModified", new File([], "n").lastModified > 1.6e12);
  });
  await t.group("FormData", () => {
    const form = new FormData();
    form.append("a", "1");
    form.append("b", 2 as any);
    form.append("a", "3");
    t.equal("get", [form.get("a"), form.get("b"), form.get("c")], ["1", "2", null]);
    t.equal("getAll", form.getAll("a"), ["1", "3"]);
    form.set("a", "9");
    t.equal("set", [...form], [["a", "9"], ["b", "2"]]);
    form.append("f", new Blob(["x"]));
    const file = form.get("f") as File;
    t.equal("Blob becomes File", [file instanceof File, file.name], [true, "blob"]);
    form.set("f", new Blob(["x"]), "given.txt");
    t.equal("given name", (form.get("f") as File).name, "given.txt");
    t.throws("name for text", () => form.append("a", "b" as any, "c"), "TypeError");
    form.delete("f");
    t.equal("has", [form.has("f"), form.has("a")], [false, true]);
    t.equal("keys", [...form.keys()], ["a", "b"]);
    t.equal("values", [...form.values()], ["9", "2"]);
    t.throws("form element", () => new FormData({} as any), "TypeError");
  });
  return t.result();
}
