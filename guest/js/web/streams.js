// The Streams Standard, by web-streams-polyfill.

import * as streams from "footpath:npm/web-streams-polyfill";

export * from "footpath:npm/web-streams-polyfill";

const { ReadableStream } = streams;

// The polyfill uses Error.cause and async iteration as they are; all that is
// missing is the name that console shows.
for (const name in streams) {
  const { prototype } = streams[name];
  if (!Object.hasOwn(prototype, Symbol.toStringTag)) {
    Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
  }
}

/** Whether something was read from the stream, or it was cancelled. */
export function isDisturbed(stream) {
  return stream instanceof ReadableStream && stream._disturbed;
}
