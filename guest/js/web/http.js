// The classes of the Fetch Standard: Headers, Request, Response.

export { Headers } from "footpath:web/http/headers.js";
export { Body, Incoming, extract } from "footpath:web/http/body.js";
export { Request, incomingRequest, requestInternals } from "footpath:web/http/request.js";
export { Response, internals, networkResponse } from "footpath:web/http/response.js";
