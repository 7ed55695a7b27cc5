// `fs`: the text files of the script's own deployment. Paths are as in
// `scripts/1/api/x.ts`, or relative to the deployment.

import { native } from "footpath:native.js";
import { hostCall } from "footpath:host_error.js";

const call = (f) => hostCall("FsError", f);

function checkPath(path) {
  if (typeof path !== "string" || path === "") throw new TypeError("fs: a path is a text that is not empty");
  return path.replace(/^(\.\/)+/, "");
}

function checkText(text) {
  if (typeof text === "string") return text;
  if (text instanceof Uint8Array) return native.utf8Decode(text, true);
  throw new TypeError(`fs: what is written is text, not ${text === null ? "null" : typeof text}`);
}

function stat({ size, modified, directory }) {
  return { size, modified: new Date(modified), isFile: !directory, isDirectory: directory };
}

export const fs = {
  /** Whether there is a file or folder. */
  async exists(path) { return call(() => native.fsExists(checkPath(path))); },

  /** The text of a file. */
  async read(path) { return call(() => native.fsRead(checkPath(path))); },

  /**
   * Writes a file; a script answers requests when the promise resolves. One that
   * does not compile rejects, with its place in the message, and is not written.
   */
  async write(path, text, options = undefined) {
    const { ifNotExists = false, overwrite = false } = options ?? {};
    const draft = call(() => native.fsWrite(checkPath(path), checkText(text), false, Boolean(ifNotExists), Boolean(overwrite)));
    return draft === null || draft === undefined ? undefined : { draft };
  },

  /** Adds to the end of a file, which is made if it is missing. */
  async append(path, text) { call(() => native.fsWrite(checkPath(path), checkText(text), true, false, true)); },

  /** The files and folders of a folder, by name: `[{ name, size, modified, isFile, isDirectory }]`. */
  async list(path = ".") {
    const entries = call(() => native.fsList(path === "." || path === "" ? "" : checkPath(path)));
    return entries.map((entry) => ({ name: entry.name, ...stat(entry) }));
  },

  /** `{ size, modified, isFile, isDirectory }`. */
  async stat(path) { return stat(call(() => native.fsStat(checkPath(path)))); },

  /** Deletes a file, or an empty folder. */
  async delete(path) { call(() => native.fsDelete(checkPath(path))); },

  /** Makes a folder and those above it. */
  async mkdir(path) { call(() => native.fsMkdir(checkPath(path))); },
};

Object.defineProperty(fs, Symbol.toStringTag, { value: "fs", configurable: true });
