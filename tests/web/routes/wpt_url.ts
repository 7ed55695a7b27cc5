// Runs the cases of the Web Platform Tests' urltestdata.json (`?do=parse`) and
// setters_tests.json (`?do=set`), which come as the request's body. Gives the names
// of those that fail, in the form of the url crate's expected_failures.txt.

const PARTS = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];

function debug(text) {
  return JSON.stringify(text).slice(1, -1);
}

function parse(cases) {
  const failed = [];
  let passed = 0;
  for (const one of cases) {
    if (typeof one === "string") continue;
    const name = `<${debug(one.input)}>` + (one.base === null || one.base === undefined ? "" : ` against <${debug(one.base)}>`);
    let url = null;
    try {
      url = one.base === null || one.base === undefined ? new URL(one.input) : new URL(one.input, one.base);
    } catch { /* a failure is what some cases want */ }
    const wrong = one.failure ? url !== null : url === null || PARTS.some((part) => one[part] !== undefined && url[part] !== one[part]);
    if (wrong) failed.push(name);
    else passed++;
  }
  return { passed, failed };
}

function set(cases) {
  const failed = [];
  let passed = 0;
  for (const part in cases) {
    if (part === "comment") continue;
    for (const one of cases[part]) {
      const url = new URL(one.href);
      try { url[part] = one.new_value; } catch { /* href throws for what is no URL */ }
      const wrong = Object.keys(one.expected).some((name) => url[name] !== one.expected[name]);
      if (wrong) failed.push(`<${debug(one.href)}> set ${part} to <${debug(one.new_value)}>`);
      else passed++;
    }
  }
  return { passed, failed };
}

export default (req, res, metadata) => (metadata.query.do === "set" ? set(req.body) : parse(req.body));
