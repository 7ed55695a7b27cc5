// Defines what a script finds on globalThis.

import { native } from "footpath:native.js";

Math.random = native.random;

