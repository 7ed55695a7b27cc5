const web = async (handle, { method, url, headers, rawBody, socket }) => {
  const flat = Object.entries(headers).flatMap(([name, value]) => [].concat(value).map((one) => [name, one]));
  const body = method === "GET" || method === "HEAD" ? undefined : rawBody;
  return handle(new Request(`http${socket.encrypted ? "s" : ""}://${headers.host}${url}`, { method, headers: flat, body }));
};
const call = async (all) => {
  const [req, res] = all;
  if (typeof main !== "function") return web((request) => main.fetch(request), req);
  if (isWeb) return web(main, req);
  const value = main(...all);
  if (value !== undefined || res.writableEnded) return value;
  // Neither a value nor a promise: a callback ends the answer later.
  return new Promise((done) => res.once("finish", () => done(undefined)));
};
