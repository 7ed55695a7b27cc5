// Errors of host calls as JavaScript errors with a name and a code.

// Names that the server takes for its own when nobody catches the error.
export const NAMES = new Set(["AiError", "IsolateError", "FsError"]);

/** Calls the host; `CODE: why` becomes an error with that name, `code` and maybe `retryAfter` (seconds). */
export function hostCall(name, f) {
  try {
    return f();
  } catch (error) {
    const told = /^([A-Z][A-Z0-9_]*)(?:\|(\d+))?: ([^]*)$/.exec(error.message);
    if (!told) throw error;
    throw named(name, told[1], told[3], told[2] === undefined ? undefined : Number(told[2]));
  }
}

export function named(name, code, message, retryAfter = undefined) {
  const error = new Error(message);
  Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  error.code = code;
  if (retryAfter !== undefined) error.retryAfter = retryAfter;
  return error;
}
