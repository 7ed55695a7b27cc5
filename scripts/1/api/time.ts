// @description Web style: a Request in, a Response out

export default {
  async fetch(request: Request): Promise<Response> {
    const now = new Date();
    const asked = new URL(request.url).searchParams.get("as") ?? "iso";
    if (asked === "iso") return Response.json({ now: now.toISOString() });
    if (asked === "unix") return Response.json({ now: Math.floor(now.getTime() / 1000) });
    return Response.json({ error: "as is iso or unix" }, { status: 400 });
  },
};
