// Whether a value fits a JSON Schema, as far as models are asked for: type, enum,
// const, properties, required, additionalProperties, items, anyOf. What is not
// known here is not checked.

const TYPES = {
  object: (value) => value !== null && typeof value === "object" && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
};

/** What does not fit and where, or null. */
export function mismatch(schema, value, at = "$") {
  if (schema === null || typeof schema !== "object") return null;
  const types = [].concat(schema.type ?? []);
  if (types.length > 0 && !types.some((type) => TYPES[type]?.(value) ?? true)) return `${at} is not of type ${types.join(" or ")}`;
  const same = (other) => JSON.stringify(other) === JSON.stringify(value);
  if (Array.isArray(schema.enum) && !schema.enum.some(same)) return `${at} is none of ${JSON.stringify(schema.enum)}`;
  if ("const" in schema && !same(schema.const)) return `${at} is not ${JSON.stringify(schema.const)}`;
  if (Array.isArray(schema.anyOf) && !schema.anyOf.some((one) => mismatch(one, value, at) === null)) return `${at} fits none of anyOf`;
  if (Array.isArray(value)) return firstOf(value.map((one, i) => [schema.items, one, `${at}[${i}]`]));
  if (TYPES.object(value)) return inObject(schema, value, at);
  return null;
}

function inObject(schema, value, at) {
  for (const name of schema.required ?? []) if (!Object.hasOwn(value, name)) return `${at}.${name} is missing`;
  const known = schema.properties ?? {};
  const other = schema.additionalProperties;
  for (const name of Object.keys(value)) {
    if (other === false && !Object.hasOwn(known, name)) return `${at}.${name} is not in the schema`;
  }
  return firstOf(Object.keys(value).map((name) => [Object.hasOwn(known, name) ? known[name] : other, value[name], `${at}.${name}`]));
}

function firstOf(checks) {
  for (const [schema, value, at] of checks) {
    const problem = mismatch(schema, value, at);
    if (problem !== null) return problem;
  }
  return null;
}
