// Route parameters where no Footpath host has read them: the portable form.

/**
 * The parameters of `path` (still percent-encoded) by a pattern such as
 * `/api/users/[id]`, `/api/[...slug]` or `/x/[[...path]]`; {} when it does not match.
 */
export function match(pattern, path) {
  const wanted = segments(pattern);
  const given = segments(path).map(decode);
  const parameters = {};
  for (let i = 0; i < wanted.length; i++) {
    const many = /^\[\[?\.\.\.(.+?)\]\]?$/.exec(wanted[i]);
    if (many) {
      parameters[many[1]] = given.slice(i);
      return parameters;
    }
    const one = /^\[(.+)\]$/.exec(wanted[i]);
    if (one) {
      if (i >= given.length) return {};
      parameters[one[1]] = given[i];
    }
  }
  return parameters;
}

function segments(path) {
  return path.split("/").filter((segment) => segment !== "");
}

function decode(segment) {
  try { return decodeURIComponent(segment); } catch { return segment; }
}
