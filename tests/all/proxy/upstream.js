// An upstream: it tells what it was asked, streams, stays silent, and echoes upgraded bytes.
const http = require("http");
const server = http.createServer((request, response) => {
  const path = request.url.split("?")[0];
  if (path.endsWith("/silent")) return;
  if (path.endsWith("/breaks")) return request.socket.destroy();
  if (path.endsWith("/streams")) {
    // One part for each that comes in, so that neither side can wait for the end.
    response.writeHead(200, { "content-type": "text/plain", connection: "x-hop", "x-hop": "1" });
    request.on("data", (part) => response.write(part));
    request.on("end", () => response.end());
    return;
  }
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const { method, url, headers } = request;
    const body = Buffer.concat(parts);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method, url, headers, length: body.length }));
  });
});
server.on("upgrade", (request, socket, head) => {
  if (request.url.endsWith("/refuses")) return socket.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: " + request.headers.upgrade + "\r\n\r\n");
  if (head.length) socket.write(head);
  socket.pipe(socket);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
