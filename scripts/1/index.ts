// @description The list of examples

return {
  examples: {
    "/hello?name=you": "the smallest route",
    "/api/users/1": "a route parameter and an import from _lib",
    "/api/echo": "what was sent, parsed; try a POST",
    "/api/time": "Web style, Request to Response",
    "/counter": "durable state with kv",
    "/stream?count=3": "server-sent events from an async generator",
    "/proxy/api/users/1": "a catch-all that fetches its neighbour",
    "/api/anything/else": "a route that writes itself, when a model is configured",
    "/guide.md": "a Markdown file, as it is",
  },
};
