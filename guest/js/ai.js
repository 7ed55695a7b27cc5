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
  for (;;) {
    abortSignal?.throwIfAborted();
    const part = call(() => generation.next());
    if (part === null) await generation.wait();
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
  const generation = start(options, promptFile);
  let resolve, reject;
  const end = new Promise((yes, no) => { resolve = yes; reject = no; });
  end.catch(() => {});
  const one = (name) => {
    const promise = end.then((result) => result[name]);
    promise.catch(() => {});
    return promise;
  };
  async function* texts() {
    let text = "";
    try {
      for await (const part of parts(generation, options.abortSignal)) {
        if (part.text === undefined) resolve({ text, ...described(part) });
        else {
          text += part.text;
          yield part.text;
        }
      }
    } catch (error) {
      reject(error);
      throw error;
    } finally {
      generation.abort();
      reject(named("AiError", "AI_ABORTED", "the stream was not read to its end"));
    }
  }
  return { textStream: texts(), text: one("text"), usage: one("usage"), finishReason: one("finishReason"), response: one("response") };
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
