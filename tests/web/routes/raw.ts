// @rawBody
// The body as a stream, with neither `body` nor `rawBody`.

export default async (req) => {
  let text = "";
  for await (const part of req) text += part.toString();
  return { text, body: req.body === undefined, rawBody: req.rawBody === undefined };
};
