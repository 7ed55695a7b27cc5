// The table of contents of the engine's JavaScript half: evaluated once, when
// the engine is built; the driver calls what it exports.

import "footpath:globals.js";
export { load } from "footpath:load.js";
export { direct, next, answer, returned, fail, release, unhandled, stuck } from "footpath:answer.js";
