// Results that are errors, and headers of results: `routes/results.ts` gives them.
import { suite } from "./_lib/check.ts";

const failures = [
  "error", "throws", "throwsText", "rejects", "bigint", "symbol", "function", "cycle", "nestedBigint", "badStatus",
  "responseError", "unknown",
];

export default async function (req, res, metadata) {
  const t = suite();
  const get = (name) => fetch(`${metadata.path.replace(/[^/]*$/, "routes/results")}?case=${name}`, { redirect: "manual" });
  for (const name of failures) {
    await t.group(name, async () => t.equal(name, (await get(name)).status, 500));
  }
  await t.group("headers", async () => {
    t.equal("header", (await get("header")).headers.get("x-own"), "1");
    const many = await get("manyHeaders");
    t.equal("many", [many.headers.get("x-a"), many.headers.get("x-b")], ["1, 4", "2, 3"]);
    const both = await get("responseAndHeaders");
    t.equal("Response wins", [both.headers.get("x-own"), both.headers.get("x-more")], ["1", "2"]);
    t.equal("redirect", (await get("redirect")).headers.get("location"), "/elsewhere");
    t.equal("length", (await get("length")).headers.get("content-length"), "3");
  });
  await t.group("in a stream", async () => {
    const broken = await get("failsInStream");
    await t.rejects("breaks off", async () => t.equal("text", await broken.text(), null), "TypeError");
  });
  return t.result();
}
