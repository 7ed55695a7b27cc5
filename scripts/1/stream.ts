// @description Server-sent events: what a generator yields is sent as it comes
// @timeout 10s

res.setHeader("content-type", "text/event-stream");
res.setHeader("cache-control", "no-store");

const count = Math.min(Number(metadata.query.count ?? 3), 10);

async function* events() {
  for (let n = 1; n <= count; n++) {
    yield `id: ${n}\ndata: ${JSON.stringify({ n, of: count })}\n\n`;
    if (n < count) await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

return events();
