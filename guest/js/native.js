// The natives, for the prelude's own modules. The global they come from is
// gone before a script is loaded.

export const native = globalThis.__native;
