// The deployment's `shared` object, across calls of `routes/shared.ts`.
import { suite } from "./_lib/check.ts";

export default async function (req, res, metadata) {
  const t = suite();
  const call = (query) => fetch(`${metadata.path.replace(/[^/]*$/, "routes/shared")}?do=${query}`);
  await t.group("shared", async () => {
    await call("clear");
    t.equal("set", await (await call("set")).json(), true);
    await call("nested");
    const seen = await (await call("see")).json();
    t.equal("seen", [seen.list, seen.gone, seen.text, seen.keys, JSON.parse(seen.json)],
      [[1, 2], false, "t", ["list", "text"], { list: [1, 2], text: "t" }]);
    t.equal("not JSON", (await call("bad")).status, 500);
    t.equal("throws", (await call("throws")).status, 500);
    t.equal("kept after a throw", await (await call("thrown")).text(), "kept");
    t.equal("answered before", await (await call("early&value=v")).text(), "sent");
    t.equal("changed after the answer", await (await call("late")).text(), "v");
    await call("clear");
    t.equal("cleared", (await (await call("see")).json()).keys, []);
  });
  return t.result();
}
