// The request's body as the Node style has it (contract 2.3): read before the
// handler runs, for every method but GET and HEAD.

import { native } from "footpath:native.js";
import { use } from "footpath:lazy.js";

const PREVIEW_CHARACTERS_MAX = 100;

/** Reads the body into `exchange.parsed`: `{ body, rawBody, files }`. */
export function read(exchange) {
  const bytes = native.readRequestBody();
  const { Buffer } = use("node/buffer.js");
  const rawBody = bytes === null ? Buffer.alloc(0) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  exchange.parsed = { rawBody, body: undefined, files: [] };
  if (rawBody.length > 0) parse(exchange.parsed, native.header("content-type") ?? "");
}

// No body at all is undefined, whatever its type.
function parse(parsed, contentType) {
  const type = contentType.split(";")[0].trim().toLowerCase();
  if (type === "application/json" || type.endsWith("+json")) {
    parsed.body = parseJson(parsed.rawBody, contentType);
  } else if (type === "application/x-www-form-urlencoded") {
    const flat = native.formParse(native.utf8Decode(parsed.rawBody, false));
    parsed.body = {};
    for (let i = 0; i < flat.length; i += 2) setOwn(parsed.body, flat[i], flat[i + 1]);
  } else if (type === "multipart/form-data") {
    parseMultipart(parsed, contentType);
  } else {
    parsed.body = parsed.rawBody;
  }
}

function parseJson(bytes, contentType) {
  const text = native.utf8Decode(bytes, false).replace(/^\uFEFF/, "");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest("Invalid JSON body", {
      hint: "The Content-Type says JSON. Send valid JSON, or another Content-Type.",
      parseError: error.message,
      contentType,
      bodyPreview: text.slice(0, PREVIEW_CHARACTERS_MAX),
    });
  }
}

function parseMultipart(parsed, contentType) {
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  let parts;
  try {
    if (!boundary) throw new TypeError("the Content-Type has no boundary");
    parts = native.multipartParse(parsed.rawBody, boundary[1] ?? boundary[2]);
  } catch (error) {
    throw badRequest("Invalid multipart body", { hint: error.message, contentType });
  }
  const { Buffer } = use("node/buffer.js");
  parsed.body = {};
  for (const [name, filename, type, data] of parts) {
    if (filename === undefined) setOwn(parsed.body, name, native.utf8Decode(data, false));
    else {
      parsed.files.push({
        fieldName: name,
        filename,
        type: type ?? "application/octet-stream",
        size: data.length,
        data: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
      });
    }
  }
}

// `__proto__` is a field's name like any other.
function setOwn(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

/** An error that the host answers with 400 and these details. */
function badRequest(message, details) {
  const error = new Error(message);
  Object.defineProperties(error, {
    name: { value: "BadRequest", writable: true, configurable: true },
    details: { value: details, writable: true, configurable: true },
  });
  return error;
}
