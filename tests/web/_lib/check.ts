// Small assertions for the conformance scripts. Plain values are compared deeply.

function show(value) {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint") return String(value);
  if (value instanceof Map || value instanceof Set) return `${value.constructor.name} ${show([...value])}`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} ${show(Array.from(value as any))}`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

export function same(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof ArrayBuffer) return same(new Uint8Array(a), new Uint8Array(b));
  if (a instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (a instanceof RegExp) return String(a) === String(b);
  if (a instanceof Map || a instanceof Set) return same([...a], [...b]);
  if (a instanceof Error && (a.name !== b.name || a.message !== b.message)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

export function suite() {
  let passed = 0;
  const failed = [];
  const note = (holds, line) => { if (holds) passed++; else failed.push(line); };
  return {
    ok(name, value) { note(Boolean(value), `${name}: ${show(value)} is not true`); },
    equal(name, actual, expected) { note(same(actual, expected), `${name}: ${show(actual)}, not ${show(expected)}`); },
    match(name, actual, pattern) { note(pattern.test(actual), `${name}: ${show(actual)} does not match ${pattern}`); },
    /** `expected` is the name of the error, or of the DOMException. */
    throws(name, run, expected) {
      try {
        note(false, `${name}: gave ${show(run())}, expected ${expected}`);
      } catch (error) {
        note(error?.name === expected, `${name}: threw ${show(error)}, not ${expected}`);
      }
    },
    async rejects(name, run, expected) {
      try {
        note(false, `${name}: gave ${show(await run())}, expected ${expected}`);
      } catch (error) {
        note(error?.name === expected, `${name}: threw ${show(error)}, not ${expected}`);
      }
    },
    /** Runs a group of checks; what it throws fails the group, not the script. */
    async group(name, run) {
      try {
        await run();
      } catch (error) {
        failed.push(`${name}: threw ${show(error)} ${error?.stack ?? ""}`);
      }
    },
    result(more = {}) { return { passed, failed, ...more }; },
  };
}

export const tick = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));
