// What the fetch checks call. `?do=` chooses; see the cases.

declare const Buffer: any;

export default async function (req, res, metadata) {
  const { query } = metadata;
  switch (query.do) {
    case "echo":
      return { method: req.method, url: req.url, headers: req.headers, body: req.rawBody?.toString() ?? null, depth: metadata.depth };
    case "status":
      res.status(Number(query.code));
      return { code: query.code };
    case "redirect":
      res.writeHead(Number(query.code ?? 302), { location: query.to });
      return res.end();
    case "loop":
      return Response.redirect(req.url, 302);
    case "slow":
      await new Promise((resolve) => setTimeout(resolve, Number(query.ms)));
      return { slept: query.ms };
    case "stream":
      return (async function* () {
        for (let i = 0; i < 5; i++) {
          yield `part ${i}\n`;
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      })();
    case "big":
      return Buffer.alloc(Number(query.bytes), "x");
    case "cookies":
      res.setHeader("set-cookie", ["a=1; Path=/", "b=2"]);
      res.setHeader("x-latin", "caf\xe9");
      return res.end("ok");
    default:
      throw new Error("unknown case " + query.do);
  }
}
