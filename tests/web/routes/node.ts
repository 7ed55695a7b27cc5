// Shows what a Node-style handler sees.

export default async (req, res, metadata, shared) => {
  if (metadata.query.rest) {
    const parts = [];
    for await (const part of req) parts.push(part.toString());
    return { parts };
  }
  return {
    method: req.method, url: req.url, host: typeof req.headers.host, headers: req.headers, body: req.body ?? null,
    bodyKind: Object.prototype.toString.call(req.body), raw: req.rawBody?.toString("latin1") ?? null,
    files: req.files.map(({ data, ...file }) => ({ ...file, data: data.toString() })),
    remote: req.socket.remoteAddress === metadata.clientIp, metadata, noQuery: req.query === undefined,
  };
};
