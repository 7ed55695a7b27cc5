// A language model, with names, arguments and results as in the Vercel AI SDK:
// `generateText`, `streamText`, `generateObject` and `model`; and `ai`, whose
// helpers also take the prompt file that lies beside the script.

import { native } from "footpath:native.js";
import { hostCall, named } from "footpath:host_error.js";
import { mismatch } from "footpath:ai/schema.js";

const call = (f) => hostCall("AiError", f);

/** The model of `@ai-model`, or else the server's. */
export const model = Object.freeze({ provider: "footpath", modelId: null });

function start(options, promptFile, schema = null) {
  if (options === null || typeof options !== "object") throw new TypeError("the options are an object such as { model, system, prompt }");
  const { maxOutputTokens, maxTokens = maxOutputTokens, temperature, abortSignal } = options;
  abortSignal?.throwIfAborted();
  const generation = call(() => native.aiStart(messages(options), modelName(options.model), temperature ?? null, maxTokens ?? null, schema, promptFile));
  abortSignal?.addEventListener("abort", () => generation.abort());
  return generation;
}

function modelName(given) {
  if (given === undefined || given === null || given === model) return null;
  const name = typeof given === "string" ? given : given.modelId;
  if (name === null || name === undefined) return null;
  if (typeof name !== "string" || name === "") throw new TypeError("model is a name such as \"openai/gpt-4o-mini\", or `model`");
  return name;
}

// Role, content, role, content …
function messages({ system, prompt, messages }) {
  const flat = [];
  if (system !== undefined && system !== null) flat.push("system", textOf(system));
  if (messages !== undefined) {
    if (prompt !== undefined) throw new TypeError("give prompt or messages, not both");
    for (const { role, content } of messages) {
      if (!["system", "user", "assistant"].includes(role)) throw new TypeError(`a message's role is system, user or assistant, not ${String(role)}`);
      flat.push(role, textOf(content));
    }
  } else if (prompt !== undefined) flat.push("user", textOf(prompt));
  if (!flat.some((_, i) => i % 2 === 0 && flat[i] !== "system")) throw new TypeError("there is nothing to ask: give prompt, or messages");
  return flat;
}

// Text, or the text parts of a message.
function textOf(content) {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw new TypeError(`a prompt is text, not ${content === null ? "null" : typeof content}`);
  return content.map((part) => {
    if (part?.type !== "text") throw new TypeError(`only text parts can be sent, not ${String(part?.type)}`);
    return String(part.text);
  }).join("");
}

async function* parts(generation, abortSignal) {
  // What waits for a generation that was aborted would wait for ever.
  const aborted = new Promise((_, no) => abortSignal?.addEventListener("abort", () => no(abortSignal.reason)));
  aborted.catch(() => {});
  for (;;) {
    abortSignal?.throwIfAborted();
    const part = call(() => generation.next());
    if (part === null) await Promise.race([generation.wait(), aborted]);
    else {
      yield part;
      if (part.reason !== undefined) return;
    }
  }
}

function described(finish) {
  const { reason, promptTokens, completionTokens } = finish;
  const usage = {
    promptTokens, completionTokens, totalTokens: promptTokens + completionTokens,
    inputTokens: promptTokens, outputTokens: completionTokens,
  };
  return { usage, finishReason: reason, response: { id: finish.id, modelId: finish.model } };
}

async function whole(options, promptFile, schema) {
  const generation = start(options, promptFile, schema);
  let text = "";
  for await (const part of parts(generation, options.abortSignal)) {
    if (part.text !== undefined) text += part.text;
    else return { text, ...described(part) };
  }
}

/** `{ text, usage, finishReason, response }`. */
export async function generateText(options) { return whole(options, false, null); }

/** `{ textStream, text, usage, finishReason, response }`; all but the first are promises. */
export function streamText(options) { return stream(options, false); }

function stream(options, promptFile) {
  const answer = received(start(options, promptFile), options.abortSignal);
  return {
    textStream: answer.texts(),
    get text() { return answer.promised("text"); },
    get usage() { return answer.promised("usage"); },
    get finishReason() { return answer.promised("finishReason"); },
    get response() { return answer.promised("response"); },
  };
}

// An answer that is read as it comes, as a whole, or both ways at once. What one
// reader was given is kept, so that another one misses nothing.
function received(generation, abortSignal) {
  const source = parts(generation, abortSignal);
  const pieces = [];
  let asked = null, isOver = false, isWanted = false;
  const { promise: end, resolve, reject } = Promise.withResolvers();
  end.catch(() => {});

  async function read() {
    try {
      const { value } = await source.next();
      if (value.text === undefined) {
        isOver = true;
        resolve({ text: pieces.join(""), ...described(value) });
      } else {
        pieces.push(value.text);
        asked = null;
      }
    } catch (error) {
      reject(error);
      throw error;
    }
  }
  // All who wait for the next piece wait for one read. One that failed stays.
  const more = () => asked ??= read();

  // No generator: what it does at a `break` would come after what is asked for next.
  function texts() {
    let at = 0;
    return {
      [Symbol.asyncIterator]() { return this; },
      async next() {
        while (at === pieces.length && !isOver) await more();
        return at < pieces.length ? { value: pieces[at++], done: false } : { value: undefined, done: true };
      },
      async return(value) {
        at = Infinity;
        if (!isWanted) stop();
        return { value, done: true };
      },
    };
  }
  function stop() {
    isOver = true;
    generation.abort();
    reject(named("AiError", "AI_ABORTED", "the stream was not read to its end"));
  }
  async function drain() {
    isWanted = true;
    while (!isOver) await more();
  }
  // Who asks for the whole needs not read the stream besides.
  function promised(name) {
    if (!isWanted) drain().catch(() => {});
    const promise = end.then((result) => result[name]);
    promise.catch(() => {});
    return promise;
  }
  return { texts, promised };
}

/** `{ object, usage, finishReason, response }`: JSON that fits the schema (JSON Schema). */
export async function generateObject(options) { return object(options, false); }

async function object(options, promptFile) {
  const schema = options?.schema?.jsonSchema ?? options?.schema;
  if (schema !== undefined && (schema === null || typeof schema !== "object")) throw new TypeError("schema is a JSON Schema object");
  const { text, ...rest } = await whole(options, promptFile, JSON.stringify(schema ?? { type: "object" }));
  const json = /^\s*```(?:json)?\s*\n([^]*?)\n```\s*$/.exec(text)?.[1] ?? text;
  let value;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw named("AiError", "AI_NO_OBJECT", `the model's answer is not JSON: ${error.message}`);
  }
  const problem = schema === undefined ? null : mismatch(schema, value);
  if (problem !== null) throw named("AiError", "AI_NO_OBJECT", `the model's answer does not fit the schema: ${problem}`);
  return { object: value, ...rest };
}

function options(given) {
  return typeof given === "string" ? { prompt: given } : given;
}

export const ai = Object.freeze({
  /** As `generateText`, from a prompt or options. */
  async generate(given) { return whole(options(given), true, null); },
  /** As `streamText`. */
  stream(given) { return stream(options(given), true); },
  /** As `generateObject`: `{ schema, prompt }`. */
  async object(given) { return object(options(given), true); },
});
