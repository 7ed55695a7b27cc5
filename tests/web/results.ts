// What each kind of result means as a response: `routes/results.ts` gives them.
import { suite } from "./_lib/check.ts";

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json";
const BYTES = "application/octet-stream";

// Case, status, content type (null: none), body.
const expected: [string, number, string | null, string][] = [
  ["object", 200, JSON_TYPE, '{"a":1,"nested":[true,null]}'],
  ["array", 200, JSON_TYPE, "[1,2]"],
  ["number", 200, JSON_TYPE, "42"],
  ["zero", 200, JSON_TYPE, "0"],
  ["boolean", 200, JSON_TYPE, "false"],
  ["null", 200, JSON_TYPE, "null"],
  ["undefined", 204, null, ""],
  ["string", 200, TEXT, "text é"],
  ["empty", 200, TEXT, ""],
  ["bytes", 200, BYTES, "\u0001\u0002\ufffd"],
  ["buffer", 200, BYTES, "buf"],
  ["arraybuffer", 200, BYTES, "\u0007"],
  ["date", 200, JSON_TYPE, '"1970-01-01T00:00:00.000Z"'],
  ["instance", 200, JSON_TYPE, '{"x":1}'],
  ["toJSON", 200, JSON_TYPE, '{"own":true}'],
  ["status", 201, JSON_TYPE, '{"made":true}'],
  ["typed", 200, "text/html; charset=utf-8", "<p>"],
  ["typedJson", 200, "application/problem+json", '{"title":"x"}'],
  ["header", 200, JSON_TYPE, "{}"],
  ["statusUndefined", 202, null, ""],
  ["response", 203, "text/plain;charset=UTF-8", "made"],
  ["responseJson", 200, JSON_TYPE, '{"a":1}'],
  ["responseStream", 200, null, "ab"],
  ["responseNull", 204, null, ""],
  ["redirect", 303, null, ""],
  ["fetched", 418, JSON_TYPE, '{"code":"418"}'],
  ["fetchedStream", 200, TEXT, "part 0\npart 1\npart 2\npart 3\npart 4\n"],
  ["blob", 200, "a/b", "b"],
  ["params", 200, "application/x-www-form-urlencoded;charset=UTF-8", "a=1"],
  ["stream", 200, TEXT, "s1s2"],
  ["generator", 200, TEXT, "g1g2"],
  ["textStream", 200, TEXT, "t1t2"],
  ["events", 200, "text/event-stream", "data: 1\n\n"],
  ["ended", 201, null, "by end"],
  ["json", 200, JSON_TYPE, '{"by":"json"}'],
  ["send", 200, "text/html; charset=utf-8", "<b>"],
  ["sendStatus", 404, TEXT, "404"],
  ["callback", 200, null, "later"],
  ["written", 200, "text/x", "w1w2w3"],
  ["writtenNotEnded", 200, null, "open"],
  ["surrogate", 200, TEXT, "lone \ufffd"],
  ["length", 200, TEXT, "abc"],
];

const failures = [
  "error", "throws", "throwsText", "rejects", "bigint", "symbol", "function", "cycle", "nestedBigint", "badStatus",
  "responseError", "unknown",
];

export default async function (req, res, metadata) {
  const t = suite();
  const get = (name) => fetch(`${metadata.path.replace(/[^/]*$/, "routes/results")}?case=${name}`, { redirect: "manual" });
  for (const [name, status, type, body] of expected) {
    await t.group(name, async () => {
      const response = await get(name);
      t.equal(name, [response.status, response.headers.get("content-type"), await response.text()], [status, type, body]);
    });
  }
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
  return t.result();
}
