// The Web style.

export default {
  async fetch(request: Request, env, ctx) {
    const url = new URL(request.url);
    switch (url.searchParams.get("do")) {
      case "see":
        return Response.json({
          method: request.method, url: request.url, own: request.headers.get("x-own"), isRequest: request instanceof Request,
          body: request.body === null ? null : await request.text(), env: typeof env, ctx: Object.keys(ctx).sort(),
          path: ctx.metadata.path, signal: request.signal instanceof AbortSignal,
        });
      case "stream":
        return new Response(request.body.pipeThrough(new TransformStream({
          transform(chunk, controller) { controller.enqueue(chunk.map((byte) => byte ^ 0x20)); },
        })));
      case "form":
        return Response.json([...await request.formData()]);
      case "clone":
        return Response.json([await request.clone().text(), await request.text()]);
      case "plain":
        return { plain: true };
      case "wait":
        ctx.waitUntil(new Promise<void>((resolve) => setTimeout(() => { ctx.shared.waited = (ctx.shared.waited ?? 0) + 1; resolve(); }, 5)));
        return new Response(String(ctx.shared.waited ?? 0));
      case "immutable":
        request.headers.set("a", "1");
        return new Response("no");
      default:
        return new Response("unknown", { status: 404 });
    }
  },
};
