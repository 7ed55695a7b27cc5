// Timers, queueMicrotask, performance.
import { suite, tick } from "./_lib/check.ts";

export default async function (req, res) {
  const t = suite();
  await t.group("order", async () => {
    const order = [];
    setTimeout(() => order.push("t2"), 10);
    setTimeout((a, b) => order.push(a + b), 1, "t", 1);
    setImmediate(() => order.push("i"));
    queueMicrotask(() => order.push("m"));
    Promise.resolve().then(() => order.push("p"));
    order.push("s");
    await tick(30);
    t.equal("order", order, ["s", "m", "p", "i", "t1", "t2"]);
  });
  await t.group("clear", async () => {
    let fired = 0;
    const timer = setTimeout(() => fired++, 1);
    clearTimeout(timer);
    const byNumber = setTimeout(() => fired++, 1);
    clearTimeout(Number(byNumber));
    clearTimeout(undefined);
    clearTimeout(99999);
    await tick(10);
    t.equal("cleared", fired, 0);
  });
  await t.group("interval", async () => {
    let count = 0;
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (++count === 3) {
          clearInterval(timer);
          resolve();
        }
      }, 2);
    });
    await tick(15);
    t.equal("three times", count, 3);
  });
  await t.group("arguments", () => {
    t.throws("text", () => setTimeout("code" as any, 1), "TypeError");
    t.throws("queueMicrotask", () => queueMicrotask(5 as any), "TypeError");
    clearTimeout(setTimeout(() => {}, -5));
    clearTimeout(setTimeout(() => {}, NaN));
  });
  await t.group("performance", async () => {
    const before = performance.now();
    await tick(10);
    const passed = performance.now() - before;
    t.ok("goes on", passed >= 9 && passed < 5000);
    t.ok("timeOrigin", Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000);
    t.equal("toJSON", Object.keys(performance.toJSON()), ["timeOrigin"]);
    const dates = [Date.now()];
    await tick(5);
    dates.push(Date.now());
    t.ok("Date goes on", dates[1] > dates[0]);
  });
  return t.result();
}
