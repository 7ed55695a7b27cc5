// The benchmark's JSON from workerd, where all requests share one isolate.
export default { fetch() { return Response.json({ hello: "world" }); } };
