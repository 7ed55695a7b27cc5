// @description A durable counter: `kv` is on disk when the call returns

const visits = await kv.increment("counter/visits");
return { visits };
