//! `isolate.eval` and `fs` in a person's script; no model is needed.

use serde_json::json;

use crate::harness::Server;

async fn returns(body: &str, expected: serde_json::Value) {
    let server = Server::with_script("x.ts", body).start().await;
    server.get("/x?q=1").await.expect_json(200, expected);
}

#[tokio::test]
async fn code_gets_what_is_passed_and_nothing_else() {
    let names = "return ['req', 'res', 'metadata', 'shared', 'fetch', 'kv', 'fs', 'ai', 'model', 'generateText', 'isolate', 'data']\
                 .filter((name) => { try { return eval === undefined || (0, [() => typeof req, () => typeof res, () => typeof metadata, () => typeof shared, () => typeof fetch, () => typeof kv, () => typeof fs, () => typeof ai, () => typeof model, () => typeof generateText, () => typeof isolate, () => typeof data][['req', 'res', 'metadata', 'shared', 'fetch', 'kv', 'fs', 'ai', 'model', 'generateText', 'isolate', 'data'].indexOf(name)])() !== 'undefined' } catch { return false } });";
    let script = format!(
        "const code = {names:?};\nreturn [await isolate.eval(code), await isolate.eval(code, {{ req, res, fetch }}), await isolate.eval(code, {{ data: 1, metadata }})];"
    );
    returns(
        &script,
        json!([[], ["req", "res", "fetch"], ["metadata", "data"]]),
    )
    .await;
}

#[tokio::test]
async fn data_is_copied_there_and_back() {
    let script = "const data = { when: new Date(5), map: new Map([['a', new Set([1n])]]), bytes: new Uint8Array([1, 2]), none: undefined, list: [1, [NaN]] };\n\
                  const back = await isolate.eval('data.list.push(2); return { ...data, own: req?.method };', { data });\n\
                  return [back.when.getTime(), String([...back.map.get('a')][0]), [...back.bytes], 'none' in back, back.list.length, data.list.length, Number.isNaN(back.list[1][0]), back.own === undefined];";
    returns(script, json!([5, "1", [1, 2], true, 3, 2, true, true])).await;
}

#[tokio::test]
async fn functions_do_not_pass_and_are_named() {
    let script = "const errors = [];\n\
                  for (const one of [{ helper() {} }, { data: { deep: [() => 1] } }, { res: {} }, { kv }, { fetch: () => 1 }, { 'a b': 1 }]) {\n\
                    try { await isolate.eval('return 1', one); errors.push(null) } catch (error) { errors.push(error.message.split(' and ')[0]) }\n\
                  }\nreturn errors;";
    returns(
        script,
        json!([
            "isolate.eval: helper is a function",
            "isolate.eval: data.deep[0] is a function",
            "isolate.eval: only the script's own res can be passed as res",
            "isolate.eval: kv.get is a function",
            "isolate.eval: fetch is a function",
            "isolate.eval: \"a b\" is not a name",
        ]),
    )
    .await;
}

#[tokio::test]
async fn tricks_do_not_reach_the_caller() {
    let tricks = [
        "Object.prototype.polluted = 1; Array.prototype.map = () => 'mine'; return 1",
        "return JSON.parse('{\"__proto__\":{\"polluted\":1}}')",
        "return { then(resolve) { resolve({ polluted: 1 }) } }",
        "return { toJSON() { return 'mine' }, get secret() { return 1 } }",
        "globalThis.fetch = null; fetch.constructor.prototype.call = null; return 1",
        "return new Response('x', { headers: { 'footpath-isolate': 'value' } })",
    ];
    let script = format!(
        "let results = 0;\n\
         for (const code of {tricks:?}) {{\n\
           try {{ await isolate.eval(code, {{ req, fetch }}); results += 1 }} catch (error) {{ results += 1 }}\n\
         }}\n\
         return [({{}}).polluted ?? null, [1].map((n) => n + 1), typeof fetch, results];"
    );
    returns(&script, json!([null, [2], "function", 6])).await;
    let server = Server::with_scripts(&[
        ("length.ts", "return isolate.eval(\"res.setHeader('content-length', '99999'); res.end('short')\", { req, res });"),
        ("value.ts", "return isolate.eval(`res.setHeader('footpath-isolate', 'value'); res.end('[\"x\",1]')`, { req, res });"),
        ("method.ts", "await isolate.eval('res.json = 1; res.constructor.prototype.json = 1', { req, res }); return typeof res.json;"),
    ])
    .start()
    .await;
    server.get("/length").await.expect_text(200, "short");
    server.get("/value").await.expect(500);
    server.get("/method").await.expect_text(200, "function");
}

#[tokio::test]
async fn what_the_code_does_to_the_answer_comes_back() {
    let server = Server::with_scripts(&[
        (
            "ended.ts",
            "await isolate.eval(\"res.status(201).setHeader('x-made', 'yes'); res.json({ by: 'isolate' })\", { req, res });",
        ),
        (
            "status.ts",
            "return isolate.eval(\"res.status(202); return { kept: true }\", { req, res });",
        ),
        (
            "response.ts",
            "return isolate.eval(\"return new Response('teapot', { status: 418 })\", { req, res });",
        ),
        (
            "body.ts",
            "return isolate.eval('return { got: req.body, url: req.url }', { req, res });",
        ),
    ])
    .start()
    .await;
    let ended = server.get("/ended").await.expect_header("x-made", "yes");
    ended.expect_json(201, json!({ "by": "isolate" }));
    server
        .get("/status")
        .await
        .expect_json(202, json!({ "kept": true }));
    let response = server.get("/response").await.expect(418);
    assert_eq!(response.text(), "teapot");
    let posted = server
        .post("/body?a=1", "{\"n\":1}")
        .header("content-type", "application/json");
    posted
        .await
        .expect_json(200, json!({ "got": { "n": 1 }, "url": "/body?a=1" }));
}

#[tokio::test]
async fn what_code_uses_is_its_callers_and_has_a_cap() {
    let looping =
        "try { await isolate.eval('for (;;) {}') } catch (error) { return { code: error.code } }";
    let twice = "let codes = [];\nfor (let i = 0; i < 3; i++) try { await isolate.eval('for (;;) {}') } catch (error) { codes.push(error.code) }\nreturn codes;";
    let server = Server::with_scripts(&[("looping.ts", looping), ("twice.ts", twice)])
        .set("author.isolate_fuel_units", 300_000_000)
        .set("limits.fuel_units", 700_000_000)
        .start()
        .await;
    server
        .get("/looping")
        .await
        .expect_json(200, json!({ "code": "ISOLATE_LIMIT" }));
    // The third one finds nothing left, and neither does its caller.
    server.get("/twice").await.expect_error(500, "LIMIT_FUEL");
}

#[tokio::test]
async fn files_are_the_deployments_own() {
    let script = "const seen = [];\n\
        const attempt = async (f) => { try { seen.push(await f() ?? null) } catch (error) { seen.push(error.code ?? error.message) } };\n\
        await attempt(() => fs.exists('notes/a.txt'));\n\
        await attempt(() => fs.write('scripts/1/notes/a.txt', 'one'));\n\
        await attempt(() => fs.append('notes/a.txt', ' two'));\n\
        await attempt(() => fs.read('notes/a.txt'));\n\
        await attempt(() => fs.write('notes/a.txt', 'x', { ifNotExists: true }));\n\
        await attempt(async () => (await fs.list('notes')).map((one) => [one.name, one.size, one.isFile]));\n\
        await attempt(async () => (await fs.stat('notes')).isDirectory);\n\
        await attempt(() => fs.delete('notes/a.txt'));\n\
        await attempt(() => fs.read('notes/a.txt'));\n\
        await attempt(() => fs.read('../2/secret.txt'));\n\
        await attempt(() => fs.read('/etc/passwd'));\n\
        await attempt(() => fs.write('.git/config', 'x'));\n\
        await attempt(() => fs.mkdir('a/b'));\n\
        await attempt(() => fs.exists('a/b'));\n\
        await attempt(() => fs.delete('a'));\n\
        await attempt(() => fs.delete('a/b'));\n\
        await attempt(() => fs.exists('a/b'));\n\
        await attempt(() => fs.delete('a'));\n\
        await attempt(() => fs.delete('a'));\n\
        return seen;";
    let server = Server::with_script("x.ts", script)
        .file("2/secret.txt", "hush")
        .start()
        .await;
    let expected = json!([
        false,
        null,
        null,
        "one two",
        "EXISTS",
        [["a.txt", 7, true]],
        true,
        null,
        "NOT_FOUND",
        "INVALID_PATH",
        "INVALID_PATH",
        "INVALID_PATH",
        null,
        true,
        "REFUSED",
        null,
        false,
        null,
        "NOT_FOUND"
    ]);
    server.get("/x").await.expect_json(200, expected);
}

#[tokio::test]
async fn a_written_script_answers_at_once_and_has_no_authority() {
    let greedy = "// @ai true\\n// @mode worker\\nreturn [typeof fs, typeof kv, typeof isolate, typeof generateText, process.env.SECRET ?? null];";
    let script =
        format!("await fs.write('made.ts', \"{greedy}\");\nreturn (await fetch('/made')).json();");
    let mut server = Server::with_script("x.ts", &script)
        .script("_default.env", "SECRET=hush")
        .script("own.ts", &greedy.replace("\\n", "\n"))
        .start()
        .await;
    let nothing = json!(["undefined", "undefined", "undefined", "undefined", null]);
    server.get("/x").await.expect_json(200, nothing.clone());
    let own = server.get("/own").await.expect(200).json();
    assert_eq!(
        own,
        json!(["object", "object", "object", "function", "hush"])
    );
    // A restart finds it as what it is, even when nothing of it is compiled.
    server.restart().await;
    server.get("/made").await.expect_json(200, nothing);
    // A person who edits it makes it theirs.
    server.save("made.ts", "return typeof fs;");
    server
        .until("/made", |reply| reply.text() == "object")
        .await;
}

#[tokio::test]
async fn a_script_that_does_not_compile_is_not_written() {
    let script = "try { await fs.write('bad.ts', 'const a = 1;\\nreturn { a: ;') } catch (error) { return { code: error.code, message: error.message.split('\\n')[0], there: await fs.exists('bad.ts') } }";
    let server = Server::with_script("x.ts", script).start().await;
    let answer = server.get("/x").await.expect(200).json();
    assert_eq!(answer["code"], "INVALID_SCRIPT", "{answer}");
    assert_eq!(answer["there"], false, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("bad.ts:2:"), "{message}");
    server.get("/bad").await.expect(404);
}

#[tokio::test]
async fn isolates_share_their_callers_outbound_calls() {
    let script = "const code = \"return fetch('/ok').then((one) => one.status, (error) => error.cause.code)\";\n\
                  const answers = [];\n\
                  for (let i = 0; i < 5; i++) answers.push(await isolate.eval(code, { fetch }));\nreturn answers;";
    let server = Server::with_scripts(&[("x.ts", script), ("ok.ts", "return 1")])
        .set("limits.outbound_calls", 3)
        .start()
        .await;
    let spent = "LIMIT_OUTBOUND_CALLS";
    let expected = json!([200, 200, 200, spent, spent]);
    server.get("/x").await.expect_json(200, expected);
}
