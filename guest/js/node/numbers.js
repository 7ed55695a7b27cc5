// The numbers that a Buffer reads and writes: `readUInt16BE`, `writeDoubleLE` and
// their kin. Positions and values out of range are errors, as in Node.

/** Node's names, those of DataView, and how many bytes each takes. */
const FIXED = [
  ["Int8", "Int8", 1], ["UInt8", "Uint8", 1],
  ["Int16", "Int16", 2], ["UInt16", "Uint16", 2],
  ["Int32", "Int32", 4], ["UInt32", "Uint32", 4],
  ["BigInt64", "BigInt64", 8], ["BigUInt64", "BigUint64", 8],
  ["Float", "Float32", 4], ["Double", "Float64", 8],
];
/** Bytes of the numbers that take as many as one says; a double holds no more. */
const VARIABLE_BYTES_MAX = 6;

function outOfRange(what, value, range) {
  return Object.assign(new RangeError(`The value of "${what}" is out of range. It must be ${range}. Received ${String(value)}`), { code: "ERR_OUT_OF_RANGE" });
}

function viewAt(buffer, offset, size) {
  const last = buffer.length - size;
  if (last < 0) throw Object.assign(new RangeError("Attempt to access memory outside buffer bounds"), { code: "ERR_BUFFER_OUT_OF_BOUNDS" });
  if (!Number.isInteger(offset) || offset < 0 || offset > last) throw outOfRange("offset", offset, `>= 0 and <= ${last}`);
  return new DataView(buffer.buffer, buffer.byteOffset + offset, size);
}

function checkInteger(value, bits, signed) {
  const isBig = typeof value === "bigint";
  const [two, one] = isBig ? [2n, 1n] : [2, 1];
  const power = (exponent) => two ** (isBig ? BigInt(exponent) : exponent);
  const [min, max] = signed ? [-power(bits - 1), power(bits - 1) - one] : [two - two, power(bits) - one];
  if (value < min || value > max) throw outOfRange("value", value, `>= ${min} and <= ${max}`);
}

function define(prototype, name, method) {
  // `readUint8` is another name of `readUInt8`.
  for (const one of new Set([name, name.replace("UInt", "Uint")])) {
    Object.defineProperty(prototype, one, { value: method, writable: true, configurable: true, enumerable: false });
  }
}

function defineFixed(prototype, [nodeName, viewName, size]) {
  const isInteger = nodeName.includes("Int");
  for (const [ending, little] of size === 1 ? [["", false]] : [["BE", false], ["LE", true]]) {
    define(prototype, `read${nodeName}${ending}`, function (offset = 0) {
      return viewAt(this, offset, size)[`get${viewName}`](0, little);
    });
    define(prototype, `write${nodeName}${ending}`, function (value, offset = 0) {
      if (!nodeName.startsWith("Big")) value = +value;
      else if (typeof value !== "bigint") throw new TypeError(`The "value" argument must be a bigint, not ${typeof value}`);
      if (isInteger) checkInteger(value, size * 8, !nodeName.includes("UInt"));
      viewAt(this, offset, size)[`set${viewName}`](0, value, little);
      return offset + size;
    });
  }
}

function checkSize(size) {
  if (!Number.isInteger(size) || size < 1 || size > VARIABLE_BYTES_MAX) throw outOfRange("byteLength", size, `>= 1 and <= ${VARIABLE_BYTES_MAX}`);
}

function defineVariable(prototype, signed, little) {
  const name = `${signed ? "Int" : "UInt"}${little ? "LE" : "BE"}`;
  define(prototype, `read${name}`, function (offset, size) {
    checkSize(size);
    const view = viewAt(this, offset, size);
    let number = 0;
    for (let i = 0; i < size; i++) number = number * 256 + view.getUint8(little ? size - 1 - i : i);
    return signed && number >= 2 ** (size * 8 - 1) ? number - 2 ** (size * 8) : number;
  });
  define(prototype, `write${name}`, function (value, offset, size) {
    checkSize(size);
    value = +value;
    checkInteger(value, size * 8, signed);
    const view = viewAt(this, offset, size);
    let rest = Math.trunc(value);
    if (rest < 0) rest += 2 ** (size * 8);
    for (let i = 0; i < size; i++) {
      view.setUint8(little ? i : size - 1 - i, rest % 256);
      rest = Math.floor(rest / 256);
    }
    return offset + size;
  });
}

/** Gives a prototype of bytes all methods. */
export function defineNumbers(prototype) {
  for (const one of FIXED) defineFixed(prototype, one);
  for (const signed of [true, false]) for (const little of [true, false]) defineVariable(prototype, signed, little);
}
