// The benchmark's JSON as a component of its own, with the whole engine in it.
addEventListener("fetch", (event) => event.respondWith(new Response(
  JSON.stringify({ hello: "world" }),
  { headers: { "content-type": "application/json" } },
)));
