// Values as text for people, in the manner of Node's util.inspect: types and class
// names, cycles, a limit of depth and length. Getters are named, not called.

import { native } from "footpath:native.js";
import { stackOf } from "footpath:errors.js";

const DEPTH = 2;
const ITEMS_MAX = 100;
const STRING_CHARACTERS_MAX = 10_000;
const LINE_CHARACTERS_MAX = 72;

/** A custom `[Symbol.for("nodejs.util.inspect.custom")](depth, options, inspect)` is honoured. */
const CUSTOM = Symbol.for("nodejs.util.inspect.custom");

export function inspect(value, options = undefined) {
  if (options === undefined && usual.level === 0) return show(value, usual);
  const depth = options?.depth === null ? Infinity : options?.depth ?? DEPTH;
  return show(value, { depth, level: 0, seen: [], indent: 0, hidden: options?.showHidden === true });
}

// The context: `depth` and `hidden` are the options; `level` counts objects from
// the outermost, `seen` holds them, `indent` is where the lines of one begin. While
// an object's contents are shown, all three are those of the contents.

const usual = { depth: DEPTH, level: 0, seen: [], indent: 0, hidden: false };

/** What console.log prints: a format string with its arguments, or values side by side. */
export function format(values) {
  if (values.length === 1 && typeof values[0] === "string") return values[0];
  let at = 0;
  let text = "";
  if (typeof values[0] === "string" && values.length > 1) {
    at = 1;
    text = values[0].replace(/%([sdifjoOc%])/g, (all, kind) => {
      if (kind === "%") return "%";
      return at < values.length ? convert(kind, values[at++]) : all;
    });
    if (at < values.length) text += " ";
  }
  for (let first = true; at < values.length; at++, first = false) {
    const value = values[at];
    if (!first) text += " ";
    text += typeof value === "string" ? value : inspect(value);
  }
  return text;
}

function convert(kind, value) {
  switch (kind) {
    case "s": return typeof value === "string" ? value : typeof value === "object" && value !== null ? inspect(value, { depth: 0 }) : primitive(value, false);
    case "d": return typeof value === "bigint" ? `${value}n` : typeof value === "object" || typeof value === "symbol" ? "NaN" : number(Number(value));
    case "i": return typeof value === "bigint" ? `${value}n` : typeof value === "object" || typeof value === "symbol" ? "NaN" : number(Number.parseInt(value, 10));
    case "f": return typeof value === "symbol" ? "NaN" : number(Number.parseFloat(value));
    case "j": try { return JSON.stringify(value); } catch { return "[Circular]"; }
    case "o": return inspect(value, { depth: 4, showHidden: true });
    case "O": return inspect(value);
    default: return "";
  }
}

function number(value) {
  return Object.is(value, -0) ? "-0" : String(value);
}

function quote(text) {
  const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes("`") && !text.includes("${") ? "`" : "'";
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return mark + (mark === "'" ? escaped.replaceAll("'", "\\'") : escaped) + mark;
}

function primitive(value, quoted) {
  switch (typeof value) {
    case "string": {
      const over = value.length - STRING_CHARACTERS_MAX;
      const text = over > 0 ? value.slice(0, STRING_CHARACTERS_MAX) : value;
      return (quoted ? quote(text) : text) + (over > 0 ? `... ${over} more characters` : "");
    }
    case "number": return number(value);
    case "bigint": return `${value}n`;
    case "symbol": return value.toString();
    default: return String(value);
  }
}

function className(value) {
  for (let proto = value; proto !== null; proto = Object.getPrototypeOf(proto)) {
    const constructor = Object.getOwnPropertyDescriptor(proto, "constructor")?.value;
    if (typeof constructor === "function" && constructor.name !== "") return constructor.name;
  }
  return null;
}

// "Name ", "[Object: null prototype] ", or "" for the plain kind.
function prefix(value, plain, size) {
  const name = className(value);
  const counted = size === undefined ? "" : `(${size})`;
  let tag = "";
  try { tag = value[Symbol.toStringTag]; } catch { /* a getter that throws has no say */ }
  tag = typeof tag === "string" && tag !== "" && tag !== name ? `[${tag}] ` : "";
  if (name === null) return `[${plain}${counted}: null prototype] ${tag}`;
  return name === plain && tag === "" && (plain === "Object" || plain === "Array") ? "" : `${name}${counted} ${tag}`;
}

function show(value, context) {
  if (typeof value !== "function" && (typeof value !== "object" || value === null)) return primitive(value, true);
  if (context.seen.includes(value)) return "[Circular *1]";
  if (typeof value[CUSTOM] === "function") {
    const shown = value[CUSTOM](context.depth - context.level, {}, inspect);
    if (shown !== value) return typeof shown === "string" ? shown : show(shown, context);
  }
  context.seen.push(value);
  context.level++;
  context.indent += 2;
  try {
    return showObject(value, context);
  } catch (error) {
    // A proxy or a getter may throw; showing a value must not.
    return `[cannot be shown: ${error?.message}]`;
  } finally {
    context.seen.pop();
    context.level--;
    context.indent -= 2;
  }
}

function showObject(value, context) {
  // Most of what is shown is plain, and has no say in how.
  const isPlain = Object.getPrototypeOf(value) === Object.prototype && value[Symbol.toStringTag] === undefined;
  if (!isPlain && value instanceof Error) return showError(value, context);
  const shape = isPlain ? PLAIN : shapeOf(value);
  const keys = shape.keys ?? ownKeys(value, context.hidden);
  if (shape.whole !== undefined && keys.length === 0) return shape.whole;
  if (context.level - 1 > context.depth) {
    const name = (prefix(value, "Object").trim() || (Array.isArray(value) ? "Array" : "Object")).replace(/^\[(Object: null prototype)\].*/, "$1");
    return `[${name}]`;
  }
  const items = shape.items ? shape.items(context) : [];
  for (const key of keys) items.push(property(value, key, context));
  const [open, close] = shape.brackets ?? ["{", "}"];
  const head = (shape.whole !== undefined ? shape.whole + " " : shape.head ?? prefix(value, "Object"));
  const text = join(head, open, items, close, context.indent - 2);
  return context.level === 1 && text.includes("[Circular *1]") ? `<ref *1> ${text}` : text;
}

const PLAIN = { head: "" };

function ownKeys(value, hidden) {
  if (!hidden && Object.getPrototypeOf(value) === Object.prototype && Object.getOwnPropertySymbols(value).length === 0) return Object.keys(value);
  return Reflect.ownKeys(value).filter((key) => hidden || Object.getOwnPropertyDescriptor(value, key)?.enumerable);
}

const TypedArray = Object.getPrototypeOf(Uint8Array);

// How one kind of object is shown: `whole` instead of a list, or `items` in `brackets`.
function shapeOf(value) {
  if (typeof value === "function") return { whole: functionName(value) };
  if (Array.isArray(value)) {
    return { head: prefix(value, "Array", className(value) === "Array" ? undefined : value.length), brackets: ["[", "]"], items: (c) => arrayItems(value, c), keys: ownKeys(value).filter((key) => !isIndex(key)) };
  }
  if (value instanceof TypedArray) {
    return { head: prefix(value, "", value.length), brackets: ["[", "]"], items: (c) => arrayItems(value, c), keys: ownKeys(value).filter((key) => !isIndex(key)) };
  }
  if (value instanceof Map) return { head: prefix(value, "", value.size), items: (c) => limited([...value], ([k, v]) => `${show(k, c)} => ${show(v, c)}`) };
  if (value instanceof Set) return { head: prefix(value, "", value.size), items: (c) => limited([...value], (one) => show(one, c)) };
  if (value instanceof Date) return { whole: Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString() };
  if (value instanceof RegExp) return { whole: RegExp.prototype.toString.call(value) };
  if (value instanceof Promise) return { head: prefix(value, ""), items: (c) => [promiseItem(value, c)] };
  if (value instanceof WeakMap || value instanceof WeakSet) return { head: prefix(value, ""), items: () => ["<items unknown>"] };
  if (value instanceof ArrayBuffer) return { head: prefix(value, ""), items: () => [`[Uint8Contents]: <${hex(value)}>`, `byteLength: ${value.byteLength}`] };
  for (const Box of [String, Number, Boolean, Symbol, BigInt]) {
    if (value instanceof Box) return { whole: `[${Box.name}: ${primitive(value.valueOf(), true)}]`, keys: ownKeys(value).filter((key) => !isIndex(key)) };
  }
  return webShape(value) ?? {};
}

// Objects of the Web keep their state where ownKeys does not see it.
function webShape(value) {
  switch (Object.prototype.toString.call(value).slice(8, -1)) {
    case "Headers":
    case "FormData":
    case "URLSearchParams": {
      const name = className(value);
      if (typeof value.entries !== "function" || value === Object.getPrototypeOf(value)) return null;
      return { head: `${name} `, items: (c) => limited([...value], ([k, v]) => `${quote(k)} => ${show(v, c)}`) };
    }
    case "URL": return value instanceof URL ? { head: "URL ", items: () => ["href", "origin", "pathname", "search", "hash"].map((key) => `${key}: ${quote(value[key])}`) } : null;
    case "Request": return fields(value, "Request", ["method", "url", "headers", "bodyUsed"]);
    case "Response": return fields(value, "Response", ["status", "statusText", "url", "ok", "headers", "bodyUsed"]);
    case "Blob": return fields(value, "Blob", ["size", "type"]);
    case "File": return fields(value, "File", ["name", "size", "type"]);
    case "AbortSignal": return fields(value, "AbortSignal", ["aborted"]);
    default: return null;
  }
}

function fields(value, name, keys) {
  if (Object.hasOwn(value, "constructor")) return null;
  return { head: `${name} `, items: (c) => keys.map((key) => `${key}: ${show(value[key], c)}`) };
}

function functionName(value) {
  const source = Function.prototype.toString.call(value);
  if (source.startsWith("class")) {
    const parent = Object.getPrototypeOf(value)?.name;
    return `[class ${value.name || "(anonymous)"}${parent ? ` extends ${parent}` : ""}]`;
  }
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  return `[${kind}${value.name ? `: ${value.name}` : " (anonymous)"}]`;
}

function isIndex(key) {
  return typeof key === "string" && /^(0|[1-9]\d{0,9})$/.test(key);
}

function limited(list, showOne) {
  const items = list.slice(0, ITEMS_MAX).map(showOne);
  if (list.length > ITEMS_MAX) items.push(more(list.length - ITEMS_MAX));
  return items;
}

function more(count) {
  return `... ${count} more item${count > 1 ? "s" : ""}`;
}

function arrayItems(array, context) {
  const items = [];
  let at = 0;
  for (; at < array.length && items.length < ITEMS_MAX; at++) {
    let holes = 0;
    while (at + holes < array.length && !(at + holes in array)) holes++;
    if (holes > 0) {
      items.push(`<${holes} empty item${holes > 1 ? "s" : ""}>`);
      at += holes - 1;
    } else items.push(show(array[at], context));
  }
  if (at < array.length) items.push(more(array.length - at));
  return items;
}

function promiseItem(promise, context) {
  const [state, value] = native.promiseState(promise);
  return state === 0 ? "<pending>" : state === 1 ? show(value, context) : `<rejected> ${show(value, context)}`;
}

function hex(buffer) {
  const bytes = new Uint8Array(buffer, 0, Math.min(buffer.byteLength, 50));
  const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return buffer.byteLength > 50 ? `${text} ... ${buffer.byteLength - 50} more bytes` : text;
}

function property(value, key, context) {
  const descriptor = Object.getOwnPropertyDescriptor(value, key);
  const name = typeof key === "symbol" ? `[${key.toString()}]` : native.isIdentifier(key) ? key : quote(key);
  const shownName = descriptor?.enumerable === false ? `[${name}]` : name;
  if (descriptor && "value" in descriptor) return `${shownName}: ${show(descriptor.value, context)}`;
  // The engine's own lazy properties are as good as values.
  if (descriptor?.get?.name === "get" && descriptor.set?.name === "set" && descriptor.enumerable) return `${shownName}: ${show(value[key], context)}`;
  return `${shownName}: ${descriptor?.get ? (descriptor.set ? "[Getter/Setter]" : "[Getter]") : "[Setter]"}`;
}

function showError(error, context) {
  const title = errorTitle(error);
  const stack = stackOf(error).trimEnd();
  const pad = " ".repeat(context.indent - 2);
  let text = stack === "" ? title : `${title}\n${stack}`.replaceAll("\n", "\n" + pad);
  if (stack === "" && context.level > 1) text = `[${title}]`;
  const keys = ownKeys(error).filter((key) => key !== "cause" && key !== "stack" && key !== "message" && key !== "name");
  const items = keys.map((key) => property(error, key, context));
  if (error.cause !== undefined) items.push(`[cause]: ${show(error.cause, context)}`);
  if (error instanceof AggregateError) items.push(`[errors]: ${show(error.errors, context)}`);
  if (items.length === 0) return text;
  return `${text} {\n${pad}  ${items.join(`,\n${pad}  `)}\n${pad}}`;
}

function errorTitle(error) {
  const name = String(error.name ?? "Error");
  const own = className(error);
  const shown = own && own !== name && name === "Error" ? own : name;
  const message = String(error.message ?? "");
  return message === "" ? shown : `${shown}: ${message}`;
}

function join(head, open, items, close, indent) {
  if (items.length === 0) return `${head}${open}${close}`;
  const line = `${head}${open} ${items.join(", ")} ${close}`;
  if (line.length + indent <= LINE_CHARACTERS_MAX && !line.includes("\n")) return line;
  const pad = " ".repeat(indent);
  if (items.length > 6 && open === "[" && items.every((item) => item.length <= 6)) return grid(head, items, pad);
  return `${head}${open}\n${pad}  ${items.join(`,\n${pad}  `)}\n${pad}${close}`;
}

// Many short items: as many on a line as fit.
function grid(head, items, pad) {
  const width = Math.max(...items.map((item) => item.length)) + 2;
  const columns = Math.max(1, Math.floor((LINE_CHARACTERS_MAX - pad.length) / width));
  const lines = [];
  for (let at = 0; at < items.length; at += columns) {
    lines.push(items.slice(at, at + columns).map((item) => item.padStart(width - 2)).join(", "));
  }
  return `${head}[\n${pad}  ${lines.join(`,\n${pad}  `)}\n${pad}]`;
}
