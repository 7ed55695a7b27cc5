//! What scripts that were written for Node find: a few of its modules, and a clear
//! word about the others.

use serde_json::json;

use crate::harness::Server;

/// Each module's names are defined, by every way to it.
#[tokio::test]
async fn modules_are_imported_and_required() {
    let modules = [
        ("buffer", "Buffer, Blob, File, atob, btoa"),
        (
            "crypto",
            "Hash, Hmac, createHash, createHmac, getHashes, getRandomValues, hash, randomBytes, \
             randomInt, randomUUID, subtle, timingSafeEqual, webcrypto",
        ),
        (
            "process",
            "arch, argv, cwd, env, hrtime, nextTick, platform, uptime",
        ),
        (
            "timers",
            "clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout",
        ),
        ("timers/promises", "setImmediate, setTimeout"),
        ("url", "URL, URLSearchParams"),
    ];
    let cases = modules.map(|(module, names)| {
        let route = module.replace('/', "-");
        let source = format!(
            "import all from 'node:{module}';\n\
             import * as bare from '{module}';\n\
             import {{ {names} }} from 'node:{module}';\n\
             const required = require('{module}');\n\
             const named = {{ {names} }};\n\
             return Object.keys(named).filter((name) =>\n\
               named[name] === undefined || bare[name] !== named[name] || required[name] !== named[name] || all[name] !== named[name]);"
        );
        (route, source)
    });
    let scripts = cases.each_ref();
    let scripts = scripts.map(|(route, source)| (route.as_str(), source));
    let server = Server::empty().routes(&scripts).start().await;
    for (route, _) in scripts {
        server
            .get(&format!("/{route}"))
            .await
            .expect_json(200, json!([]));
    }
}

/// What a webhook's receiver does: the signature of a body, compared without telling
/// where it differs. Values of FIPS 180-4, RFC 2202 and RFC 4231.
#[tokio::test]
async fn crypto_hashes_signs_and_compares() {
    let source = r#"
        import { createHash, createHmac, timingSafeEqual, randomBytes, randomInt } from "node:crypto";
        const sign = (name: string) => createHmac(name, "Jefe").update("what do ya want ").update("for nothing?").digest("hex");
        const [a, b] = [Buffer.from(sign("sha256"), "hex"), Buffer.from(sign("sha256"), "hex")];
        const thrown = (f: () => unknown) => { try { f(); return null } catch (error: any) { return error.code } };
        return {
            sha1: createHash("sha1").update("abc").digest("hex"),
            sha256: createHash("SHA-256").update(Buffer.from("abc")).digest("base64"),
            hmac1: sign("sha1"),
            hmac256: sign("sha256"),
            same: timingSafeEqual(a, b),
            differs: timingSafeEqual(a, randomBytes(32)),
            lengths: thrown(() => timingSafeEqual(a, randomBytes(31))),
            key: createHmac("sha256", "aa", { encoding: "hex" }).update("x").digest("hex"),
            unknown: thrown(() => createHash("md5")),
            again: thrown(() => { const hash = createHash("sha256"); hash.digest(); hash.digest() }),
            dice: Array.from({ length: 50 }, () => randomInt(1, 7)).every((n) => n >= 1 && n <= 6),
            number: Buffer.from([1, 2, 3, 4]).readUInt32BE(0),
        };
    "#;
    let server = Server::with_script("sign.ts", source).start().await;
    server.get("/sign").await.expect_json(
        200,
        json!({
            "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
            "sha256": "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
            "hmac1": "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            "hmac256": "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "same": true,
            "differs": false,
            "lengths": "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH",
            "key": "6e3334930d2ec8777858006b45e26aa9b9569fdd7355a8bf3c7edaa06dde8115",
            "unknown": "ERR_OSSL_EVP_UNSUPPORTED",
            "again": "ERR_CRYPTO_HASH_FINALIZED",
            "dice": true,
            "number": 0x0102_0304,
        }),
    );
}

/// A module that is not there is a message when the script is published, with what to
/// use; one whose name only a request knows is an error of that request.
#[tokio::test]
async fn other_modules_are_refused_with_what_to_use() {
    let server = Server::with_script("later.ts", "return require(metadata.query.name)")
        .dev()
        .start()
        .await;
    let table = [
        ("import fs from 'node:fs'; return fs", "(`fs`, `kv`"),
        (
            "import { EventEmitter } from 'events'; return EventEmitter",
            "`node:crypto`",
        ),
        (
            "import { createCipheriv } from 'crypto'; return createCipheriv",
            "`node:crypto` has no `createCipheriv` here",
        ),
        ("const path = require('path'); return 1", "`path`"),
        (
            "import lodash from 'lodash'; return lodash",
            "relative path",
        ),
    ];
    for (content, expected) in table {
        let reply = server
            .post("/api/v1/exec/scripts/write", "")
            .as_root()
            .json(&json!({ "path": "refused.ts", "content": content }))
            .await
            .expect(400);
        assert!(
            reply.text().contains(expected),
            "{content}: {}",
            reply.text()
        );
    }
    let reply = server.get("/later?name=node:fs").await.expect(500);
    assert!(
        reply.text().contains("Cannot find module 'node:fs'"),
        "{}",
        reply.text()
    );
    server.get("/later?name=url").await.expect(200);
}
