// crypto: random values, digests, HMAC.
import { suite } from "./_lib/check.ts";

const text = (value) => new TextEncoder().encode(value);
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export default async function (req, res) {
  const t = suite();
  await t.group("random", () => {
    const a = crypto.getRandomValues(new Uint8Array(32));
    const b = crypto.getRandomValues(new Uint8Array(32));
    t.ok("differ", hex(a.buffer) !== hex(b.buffer));
    const words = new Uint32Array(4);
    t.ok("same array", crypto.getRandomValues(words) === words && words.some((word) => word > 255));
    const whole = new Uint8Array(8);
    crypto.getRandomValues(whole.subarray(4));
    t.equal("only the view", [...whole.subarray(0, 4)], [0, 0, 0, 0]);
    t.throws("floats", () => crypto.getRandomValues(new Float32Array(1) as any), "TypeMismatchError");
    t.throws("too many", () => crypto.getRandomValues(new Uint8Array(65537)), "QuotaExceededError");
    t.match("randomUUID", crypto.randomUUID(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    t.ok("UUIDs differ", crypto.randomUUID() !== crypto.randomUUID());
    t.ok("Math.random", Math.random() !== Math.random());
  });
  await t.group("digest", async () => {
    const digest = async (name, value = "abc") => hex(await crypto.subtle.digest(name, text(value)));
    t.equal("SHA-1", await digest("SHA-1"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    t.equal("SHA-256", await digest("sha-256"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    t.equal("SHA-384", await digest({ name: "SHA-384" }),
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
    t.equal("SHA-512", await digest("SHA-512"),
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    t.equal("empty", (await digest("SHA-256", "")).slice(0, 16), "e3b0c44298fc1c14");
    await t.rejects("MD5", () => crypto.subtle.digest("MD5", text("")), "NotSupportedError");
    await t.rejects("text", () => crypto.subtle.digest("SHA-1", "abc" as any), "TypeError");
  });
  await t.group("HMAC", async () => {
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", text("key"), hmac, true, ["sign", "verify"]);
    const message = text("The quick brown fox jumps over the lazy dog");
    const signature = await crypto.subtle.sign("HMAC", key, message);
    t.equal("sign", hex(signature), "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
    t.equal("verify", await crypto.subtle.verify("HMAC", key, signature, message), true);
    const wrong = new Uint8Array(signature.slice(0));
    wrong[0] ^= 1;
    t.equal("verify wrong", await crypto.subtle.verify("HMAC", key, wrong, message), false);
    t.equal("verify short", await crypto.subtle.verify("HMAC", key, signature.slice(0, 8), message), false);
    t.equal("key", [key.type, key.extractable, key.algorithm, key.usages],
      ["secret", true, { name: "HMAC", hash: { name: "SHA-256" }, length: 24 }, ["sign", "verify"]]);
    t.equal("export raw", await crypto.subtle.exportKey("raw", key), text("key").buffer);
    const jwk = await crypto.subtle.exportKey("jwk", key);
    t.equal("export jwk", jwk, { kty: "oct", k: "a2V5", alg: "HS256", key_ops: ["sign", "verify"], ext: true });
    const again = await crypto.subtle.importKey("jwk", jwk, hmac, false, ["sign"]);
    t.equal("import jwk", hex(await crypto.subtle.sign("HMAC", again, message)), hex(signature));
    await t.rejects("not extractable", () => crypto.subtle.exportKey("raw", again), "InvalidAccessError");
    await t.rejects("wrong usage", () => crypto.subtle.verify("HMAC", again, signature, message), "InvalidAccessError");
    await t.rejects("empty key", () => crypto.subtle.importKey("raw", text(""), hmac, false, ["sign"]), "DataError");
    await t.rejects("no usage", () => crypto.subtle.importKey("raw", text("k"), hmac, false, []), "SyntaxError");
    await t.rejects("bad usage", () => crypto.subtle.importKey("raw", text("k"), hmac, false, ["encrypt"]), "SyntaxError");
    await t.rejects("AES", () => crypto.subtle.importKey("raw", text("k"), { name: "AES-GCM" } as any, false, ["encrypt"]), "NotSupportedError");
    const made = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-512" }, true, ["sign", "verify"]) as CryptoKey;
    t.equal("generateKey", (await crypto.subtle.exportKey("raw", made) as ArrayBuffer).byteLength, 128);
    for (const [hash, length] of [["SHA-1", 20], ["SHA-384", 48], ["SHA-512", 64]] as any) {
      const one = await crypto.subtle.importKey("raw", text("k"), { name: "HMAC", hash }, false, ["sign"]);
      t.equal(hash, (await crypto.subtle.sign("HMAC", one, message)).byteLength, length);
    }
    t.throws("constructor", () => new (CryptoKey as any)(), "TypeError");
  });
  return t.result();
}
