// The Console Standard. Lines go to the execution log with a level; values look as
// they do in Node.

import { native } from "footpath:native.js";
import { atNextCall } from "footpath:call.js";
import { stackOf } from "footpath:errors.js";
import { format, inspect } from "footpath:web/inspect.js";

export { inspect };

const [TRACE, DEBUG, INFO, WARN, ERROR] = [0, 1, 2, 3, 4];

/** What a call has grouped, counted and timed; null until it does. */
let own = null;

function touch() {
  if (own === null) {
    atNextCall(() => { own = null; });
    own = { indent: "", counts: new Map(), timers: new Map() };
  }
  return own;
}

function write(level, text) {
  const indent = own === null ? "" : own.indent;
  native.log(level, indent === "" ? text : indent + text.replaceAll("\n", "\n" + indent));
}

const print = (level) => (...values) => write(level, format(values));

function table(data, columns) {
  if (data === null || typeof data !== "object") return console.log(data);
  const VALUES = "Values";
  const rows = [];
  const names = new Set();
  const entries = data instanceof Map ? [...data.entries()] : data instanceof Set ? [...data].entries() : Object.entries(data);
  for (const [index, value] of entries) {
    const row = { "(index)": String(index) };
    if (value !== null && typeof value === "object") {
      for (const key of columns ?? Object.keys(value)) {
        names.add(key);
        if (key in value) row[key] = inspect(value[key], { depth: 0 });
      }
    } else row[VALUES] = inspect(value);
    rows.push(row);
  }
  const heads = ["(index)", ...names];
  if (rows.some((row) => VALUES in row)) heads.push(VALUES);
  const widths = heads.map((head) => Math.max(head.length, ...rows.map((row) => (row[head] ?? "").length)));
  const rule = (left, middle, right) => left + widths.map((width) => "─".repeat(width + 2)).join(middle) + right;
  const line = (cells) => "│" + cells.map((cell, i) => " " + cell.padEnd(widths[i]) + " ").join("│") + "│";
  write(INFO, [
    rule("┌", "┬", "┐"), line(heads), rule("├", "┼", "┤"),
    ...rows.map((row) => line(heads.map((head) => row[head] ?? ""))), rule("└", "┴", "┘"),
  ].join("\n"));
}

function elapsed(label) {
  const start = touch().timers.get(label);
  if (start === undefined) {
    write(WARN, `console: there is no timer ${JSON.stringify(label)}`);
    return null;
  }
  const ms = native.now() - start;
  return `${label}: ${ms < 1000 ? ms.toFixed(3) + "ms" : (ms / 1000).toFixed(3) + "s"}`;
}

export const console = {
  log: print(INFO),
  info: print(INFO),
  debug: print(DEBUG),
  warn: print(WARN),
  error: print(ERROR),
  trace(...values) {
    const lines = stackOf(new Error()).split("\n").filter((line) => !line.includes("footpath:"));
    write(TRACE, ["Trace" + (values.length ? ": " + format(values) : ""), ...lines].join("\n").trimEnd());
  },
  assert(condition, ...values) {
    if (condition) return;
    if (typeof values[0] === "string") write(ERROR, "Assertion failed: " + format(values));
    else write(ERROR, ["Assertion failed", ...values.length ? [format(values)] : []].join(" "));
  },
  dir(value, options) { write(INFO, inspect(value, options)); },
  dirxml(...values) { write(INFO, format(values)); },
  table,
  count(label = "default") {
    label = String(label);
    const { counts } = touch();
    counts.set(label, (counts.get(label) ?? 0) + 1);
    write(INFO, `${label}: ${counts.get(label)}`);
  },
  countReset(label = "default") {
    if (!touch().counts.delete(String(label))) write(WARN, `console: there is no count ${JSON.stringify(String(label))}`);
  },
  time(label = "default") {
    label = String(label);
    const { timers } = touch();
    if (timers.has(label)) write(WARN, `console: the timer ${JSON.stringify(label)} runs already`);
    else timers.set(label, native.now());
  },
  timeLog(label = "default", ...values) {
    const text = elapsed(String(label));
    if (text !== null) write(INFO, values.length ? text + " " + format(values) : text);
  },
  timeEnd(label = "default") {
    const text = elapsed(String(label));
    if (text !== null) write(INFO, text);
    touch().timers.delete(String(label));
  },
  group(...values) {
    if (values.length) write(INFO, format(values));
    touch().indent += "  ";
  },
  groupCollapsed(...values) { console.group(...values); },
  groupEnd() { touch().indent = touch().indent.slice(2); },
  clear() {},
};

Object.defineProperty(console, Symbol.toStringTag, { value: "console", configurable: true });
