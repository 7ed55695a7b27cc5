// Route parameters.

export default (req, res, metadata) => ({ parameters: metadata.parameters, query: metadata.query });
