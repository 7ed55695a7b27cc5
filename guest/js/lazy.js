// Web APIs that are evaluated when something first touches them. Bytecode takes a
// third of what an evaluated module does in the image, and most scripts use few
// of them. A module named here must not be imported by another one: whoever needs
// it calls `use`.

import { native } from "footpath:native.js";

const loaded = Object.create(null);

/** The exports of a module of the prelude, evaluated on first use. */
export function use(file) {
  return loaded[file] ??= native.evaluate("footpath:" + file);
}

/** Whether something has used the module. */
export function isUsed(file) {
  return loaded[file] !== undefined;
}

const globals = [];

/** Defines globals that are exports of a module. Like all of the Web's they can be replaced. */
export function defineGlobals(file, names) {
  for (const name of names) {
    globals.push(name);
    const define = (value) => {
      Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
      return value;
    };
    Object.defineProperty(globalThis, name, {
      get: () => define(use(file)[name]),
      set: define,
      configurable: true,
      enumerable: false,
    });
  }
}

/**
 * Evaluates what the sources mention, so that it happens once, when the script is
 * published, and not in each request.
 */
export function warm(sources) {
  const words = new Set();
  for (const source of sources) for (const word of source.match(/[A-Za-z_$][\w$]*/g) ?? []) words.add(word);
  for (const name of globals) if (words.has(name)) void globalThis[name];
  return words;
}
