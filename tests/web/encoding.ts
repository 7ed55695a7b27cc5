// TextEncoder, TextDecoder and their streams (Encoding Standard); atob and btoa.
import { suite } from "./_lib/check.ts";

const bytes = (...values) => new Uint8Array(values);

export default async function (req, res) {
  const t = suite();
  await t.group("TextEncoder", () => {
    const encoder = new TextEncoder();
    t.equal("encoding", encoder.encoding, "utf-8");
    t.equal("encode", encoder.encode("aé€😀"), bytes(0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80));
    t.equal("nothing", encoder.encode(), bytes());
    t.equal("undefined", encoder.encode(undefined), bytes());
    t.equal("number", encoder.encode(12 as any), bytes(0x31, 0x32));
    t.equal("lone surrogates", encoder.encode("a\ud800b\udc00"), bytes(0x61, 0xef, 0xbf, 0xbd, 0x62, 0xef, 0xbf, 0xbd));
    const target = new Uint8Array(5);
    t.equal("encodeInto", [encoder.encodeInto("a€😀", target), target], [{ read: 2, written: 4 }, bytes(0x61, 0xe2, 0x82, 0xac, 0)]);
    const part = new Uint8Array(10);
    t.equal("encodeInto a view", [encoder.encodeInto("xy", part.subarray(4)), part[3], part[4]], [{ read: 2, written: 2 }, 0, 0x78]);
    t.throws("encodeInto an array", () => encoder.encodeInto("", [] as any), "TypeError");
  });
  await t.group("TextDecoder", () => {
    const decode = (data, label?, options?) => new TextDecoder(label, options).decode(data);
    t.equal("utf-8", decode(bytes(0x61, 0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80)), "aé😀");
    t.equal("nothing", decode(undefined), "");
    t.equal("ArrayBuffer", decode(bytes(0x61).buffer), "a");
    t.equal("DataView", decode(new DataView(bytes(0x61, 0x62, 0x63).buffer, 1, 1)), "b");
    t.equal("replacement", decode(bytes(0xe2, 0x82, 0x61, 0xff, 0xed, 0xa0, 0x80)), "\ufffda\ufffd\ufffd\ufffd\ufffd");
    t.throws("fatal", () => decode(bytes(0xff), "utf-8", { fatal: true }), "TypeError");
    t.equal("BOM", decode(bytes(0xef, 0xbb, 0xbf, 0x61)), "a");
    t.equal("ignoreBOM", decode(bytes(0xef, 0xbb, 0xbf, 0x61), "utf8", { ignoreBOM: true }), "\ufeffa");
    t.equal("labels", ["utf8", "UTF-16", " latin1 ", "ascii", "iso-8859-1"].map((label) => new TextDecoder(label).encoding),
      ["utf-8", "utf-16le", "windows-1252", "windows-1252", "windows-1252"]);
    t.throws("unknown label", () => new TextDecoder("nope"), "RangeError");
    t.equal("utf-16le", decode(bytes(0x61, 0, 0x3d, 0xd8, 0, 0xde), "utf-16le"), "a😀");
    t.equal("utf-16le odd", decode(bytes(0x61, 0, 0x62), "utf-16le"), "a\ufffd");
    t.equal("utf-16le BOM", decode(bytes(0xff, 0xfe, 0x61, 0), "utf-16le"), "a");
    t.throws("utf-16le fatal", () => decode(bytes(0, 0xd8), "utf-16le", { fatal: true }), "TypeError");
    t.equal("windows-1252", decode(bytes(0x80, 0x9f, 0xe9, 0x81), "latin1"), "€Ÿé\x81");
    t.throws("not bytes", () => decode("text" as any), "TypeError");
    const { encoding, fatal, ignoreBOM } = new TextDecoder("utf-8", { fatal: true });
    t.equal("attributes", [encoding, fatal, ignoreBOM], ["utf-8", true, false]);
  });
  await t.group("TextDecoder stream", () => {
    const decoder = new TextDecoder();
    let text = "";
    for (const byte of new TextEncoder().encode("\ufeffa€😀z")) text += decoder.decode(bytes(byte), { stream: true });
    t.equal("byte by byte", text + decoder.decode(), "a€😀z");
    t.equal("cut off", decoder.decode(bytes(0xe2, 0x82), { stream: true }) + decoder.decode(), "\ufffd");
    t.equal("reused", decoder.decode(bytes(0x61)), "a");
    const utf16 = new TextDecoder("utf-16le");
    let wide = "";
    for (const byte of [0x61, 0, 0x3d, 0xd8, 0, 0xde]) wide += utf16.decode(bytes(byte), { stream: true });
    t.equal("utf-16le byte by byte", wide + utf16.decode(), "a😀");
    const fatal = new TextDecoder("utf-8", { fatal: true });
    fatal.decode(bytes(0xe2), { stream: true });
    t.throws("fatal at the end", () => fatal.decode(), "TypeError");
  });
  await t.group("streams", async () => {
    const collect = async (stream) => { const parts = []; for await (const part of stream) parts.push(part); return parts; };
    const euro = new TextEncoder().encode("€");
    const decoded = ReadableStream.from([euro.slice(0, 1), euro.slice(1)]).pipeThrough(new TextDecoderStream());
    t.equal("TextDecoderStream", (await collect(decoded)).join(""), "€");
    const encoded = ReadableStream.from(["a\ud83d", "\ude00"]).pipeThrough(new TextEncoderStream());
    t.equal("TextEncoderStream", (await collect(encoded)).flatMap((part) => [...part]), [0x61, 0xf0, 0x9f, 0x98, 0x80]);
    await t.rejects("fatal", () => collect(ReadableStream.from([bytes(0xff)]).pipeThrough(new TextDecoderStream("utf-8", { fatal: true }))), "TypeError");
  });
  await t.group("base64", () => {
    t.equal("btoa", btoa("a\xffb"), "Yf9i");
    t.equal("atob", atob(" Yf 9i "), "a\xffb");
    t.equal("without padding", atob("YQ"), "a");
    t.throws("btoa wide", () => btoa("€"), "InvalidCharacterError");
    t.throws("atob bad", () => atob("a*"), "InvalidCharacterError");
    t.throws("atob length", () => atob("abcde"), "InvalidCharacterError");
  });
  return t.result();
}
