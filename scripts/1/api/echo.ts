// @description Answers with what was sent: method, query, headers and parsed body
// @cors *

return {
  method: req.method,
  url: req.url,
  query: metadata.query,
  type: req.headers["content-type"] ?? null,
  body: req.body ?? null,
  files: req.files.map(({ fieldName, filename, type, size }) => ({ fieldName, filename, type, size })),
};
