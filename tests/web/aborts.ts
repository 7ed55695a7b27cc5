// Aborting calls that are under way. It needs a host where calls take time.
import { suite } from "./_lib/check.ts";

export default async function (req, res, metadata) {
  const t = suite();
  const slow = metadata.path.replace(/[^/]*$/, "routes/upstream") + "?do=slow&ms=20000";
  const start = performance.now();
  await t.rejects("timeout", () => fetch(slow, { signal: AbortSignal.timeout(30) }), "TimeoutError");
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 30);
  await t.rejects("abort", () => fetch(slow, { signal: controller.signal }), "AbortError");
  const racing = await Promise.race([fetch(slow.replace("20000", "1")).then((one) => one.status), fetch(slow, { signal: AbortSignal.timeout(15000) }).catch(() => "slow")]);
  t.equal("race", racing, 200);
  t.ok("no waiting", performance.now() - start < 10000);
  return t.result();
}
