// @description Passes a call on to a neighbour; a fetched Response goes through as it is

const inner = req.url.replace("/proxy", "");
return fetch(inner, { method: req.method, headers: { "x-forwarded-for": metadata.clientIp } });
