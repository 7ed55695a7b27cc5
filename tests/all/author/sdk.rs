//! `generateText`, `streamText`, `generateObject`, `ai.*` and the directives.

use serde_json::json;

use super::provider::{Provider, says};
use crate::harness::{Server, footpath, skip};

#[tokio::test]
async fn the_names_of_the_vercel_sdk() {
    let fixtures = [
        says("text", "four words of text"),
        says("object", "{\"name\":\"Ada\",\"age\":36}"),
        says("wrong", "{\"name\":36}"),
        says("none", "no object at all"),
    ];
    let Some(provider) = Provider::start(&fixtures) else {
        skip!("aimock is not installed");
    };
    let schema = "{ type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer' } }, required: ['name'] }";
    let text = "// @ai true\n// @ai-model x/y\n// @ai-temperature 0.5\n// @ai-max-tokens 99\n// @ai-key sk-own\n\
                const { text, usage, finishReason } = await generateText({ model, system: 'be brief', prompt: 'text' });\n\
                return { text, tokens: usage.totalTokens > 0, finishReason };";
    let stream = "// @ai true\nconst { textStream, usage } = streamText({ model: 'z', prompt: 'text' });\n\
                  let all = ''; for await (const part of textStream) all += part;\n\
                  return { all, tokens: (await usage).totalTokens > 0 };";
    let streamed = "// @ai true\nreturn streamText({ model, prompt: 'text' });";
    let object = format!(
        "// @ai true\nconst codes = [];\nfor (const prompt of ['wrong', 'none']) try {{ await generateObject({{ model, schema: {schema}, prompt }}) }} catch (error) {{ codes.push(error.code) }}\n\
         return [(await generateObject({{ model, schema: {schema}, prompt: 'object' }})).object, codes];"
    );
    let both = "// @ai true\nconst all = await Promise.all([ai.generate('text'), ai.generate({ messages: [{ role: 'user', content: 'text' }] })]);\nreturn all.map((one) => one.text);";
    let without = "return typeof generateText;";
    let server = provider
        .configured(Server::with_scripts(&[
            ("text.ts", text),
            ("stream.ts", stream),
            ("streamed.ts", streamed),
            ("object.ts", &object),
            ("both.ts", both),
            ("without.ts", without),
        ]))
        .script("both.system.md", "You are the prompt file.")
        .start()
        .await;
    let expected = json!({ "text": "four words of text", "tokens": true, "finishReason": "stop" });
    server.get("/text").await.expect_json(200, expected);
    let expected = json!({ "all": "four words of text", "tokens": true });
    server.get("/stream").await.expect_json(200, expected);
    let streamed = server.get("/streamed").await.expect(200);
    assert_eq!(streamed.text(), "four words of text");
    let expected = json!([{ "name": "Ada", "age": 36 }, ["AI_NO_OBJECT", "AI_NO_OBJECT"]]);
    server.get("/object").await.expect_json(200, expected);
    let expected = json!(["four words of text", "four words of text"]);
    server.get("/both").await.expect_json(200, expected);
    assert_eq!(server.get("/without").await.expect(200).text(), "undefined");
    let journal = provider.journal(&server).await;
    let first = &journal[0];
    assert_eq!(first["body"]["model"], "x/y");
    assert_eq!(first["body"]["temperature"], 0.5);
    assert_eq!(first["body"]["max_tokens"], 99);
    assert_eq!(
        first["body"]["messages"][0],
        json!({ "role": "system", "content": "be brief" })
    );
    let last = &journal[journal.len() - 1]["body"];
    assert_eq!(last["messages"][0]["content"], "You are the prompt file.");
    assert_eq!(last["model"], "gemini-2.5-flash-lite");
}

#[tokio::test]
async fn the_helpers_of_ai_stream_and_give_objects() {
    let cut = json!({
        "match": { "userMessage": "cut" }, "response": { "content": "half of what was to come" },
        "chunkSize": 5, "latency": 50, "truncateAfterChunks": 4,
    });
    let fixtures = [
        cut,
        says("text", "four words of text"),
        says("object", "```json\n{\"name\":\"Ada\"}\n```"),
        says("wrong", "{\"name\":36}"),
    ];
    let Some(provider) = Provider::start(&fixtures) else {
        skip!("aimock is not installed");
    };
    let read = "// @ai true\nconst made = ai.stream(metadata.query.ask);\nlet all = '', code;\n\
        try { for await (const part of made.textStream) all += part } catch (error) { code = error.code }\n\
        const rest = await Promise.allSettled([made.text, made.finishReason, made.usage]);\n\
        return { all, code, rest: rest.map((one) => one.value?.totalTokens > 0 || (one.value ?? one.reason.code)) };";
    let object = "// @ai true\n\
        const schema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };\n\
        const { object, finishReason, usage } = await ai.object({ schema, prompt: metadata.query.ask });\n\
        return { object, finishReason, tokens: usage.totalTokens > 0 };";
    let server = provider
        .configured(Server::with_scripts(&[
            ("ai/read.ts", read),
            (
                "ai/sent.ts",
                "// @ai true\nreturn ai.stream({ prompt: 'text' });",
            ),
            ("ai/object.ts", object),
        ]))
        .script("ai/_system.md", "You are the folder's prompt.")
        .script("ai/object.system.md", "You are the script's prompt.")
        .start()
        .await;
    let all = "four words of text";
    let reply = server.get("/ai/read?ask=text").await;
    reply.expect_json(200, json!({ "all": all, "rest": [all, "stop", true] }));
    server.get("/ai/sent").await.expect_text(200, all);
    // What came before the end is the script's, and so is the error.
    let reply = server.get("/ai/read?ask=cut").await.expect(200).json();
    assert_eq!(reply["code"], "AI_PROVIDER_CUT", "{reply}");
    assert_eq!(reply["rest"], json!(vec!["AI_PROVIDER_CUT"; 3]), "{reply}");
    assert!(all_of_half(&reply["all"]), "{reply}");
    let reply = server.get("/ai/object?ask=object").await;
    let object = json!({ "object": { "name": "Ada" }, "finishReason": "stop", "tokens": true });
    reply.expect_json(200, object);
    let reply = server.get("/ai/object?ask=wrong").await;
    reply.expect_error(502, "AI_NO_OBJECT");
    let journal = provider.journal(&server).await;
    let systems: Vec<_> = journal
        .iter()
        .map(|asked| asked["body"]["messages"][0]["content"].as_str().unwrap())
        .collect();
    let (folders, scripts) = (
        "You are the folder's prompt.",
        "You are the script's prompt.",
    );
    assert_eq!(systems, [folders, folders, folders, scripts, scripts]);
    let format = &journal[3]["body"]["response_format"];
    assert_eq!(format["type"], "json_schema", "{format}");
    let schema = &format["json_schema"]["schema"];
    assert_eq!(schema["required"], json!(["name"]), "{format}");
}

#[tokio::test]
async fn a_streams_promises_need_nobody_who_reads_it() {
    let slow = json!({
        "match": { "userMessage": "slow" }, "response": { "content": "never to be heard of in full" },
        "chunkSize": 5, "latency": 3000,
    });
    let cut = json!({
        "match": { "userMessage": "cut" }, "response": { "content": "half of what was to come" },
        "chunkSize": 5, "latency": 50, "truncateAfterChunks": 4,
    });
    let Some(provider) = Provider::start(&[says("text", "four words of text"), slow, cut]) else {
        skip!("aimock is not installed");
    };
    let ask =
        "// @ai true\nconst made = streamText({ model, prompt: metadata.query.ask ?? 'text' });\n";
    let script = |rest: &str| format!("{ask}{rest}");
    let text = script("return await made.text;");
    let usage = script("return [(await made.usage).totalTokens > 0, await made.finishReason];");
    // Read after the whole, besides the whole, and not to its end.
    let both = script(
        "const text = await made.text; let all = '';\n\
         for await (const part of made.textStream) all += part;\nreturn [text, all];",
    );
    let besides = script(
        "const { text, textStream } = made; let first;\n\
         for await (const part of textStream) { first = part; break }\n\
         return [first.length > 0, await text];",
    );
    let broken = script(
        "for await (const part of made.textStream) break;\n\
         return made.text.catch((error) => error.code);",
    );
    let failed = script("return made.usage.catch((error) => error.code);");
    // The promises of a call that is over keep nobody, nor does their failure end it.
    let left = script("made.text;\nreturn 'over';");
    let aborted = "// @ai true\nconst names = [];\n\
        const options = () => ({ prompt: 'slow', abortSignal: AbortSignal.timeout(20) });\n\
        for (const ask of [() => generateText(options()), () => streamText(options()).text])\n\
          try { await ask() } catch (error) { names.push(error.name) }\nreturn names;";
    let server = provider
        .configured(Server::with_scripts(&[
            ("text.ts", &text),
            ("usage.ts", &usage),
            ("both.ts", &both),
            ("besides.ts", &besides),
            ("broken.ts", &broken),
            ("failed.ts", &failed),
            ("left.ts", &left),
            ("aborted.ts", aborted),
        ]))
        .start()
        .await;
    let all = "four words of text";
    server.get("/text").await.expect_text(200, all);
    let usage = server.get("/usage").await;
    usage.expect_json(200, json!([true, "stop"]));
    server
        .get("/both")
        .await
        .expect_json(200, json!([all, all]));
    let besides = server.get("/besides").await;
    besides.expect_json(200, json!([true, all]));
    let broken = server.get("/broken").await;
    broken.expect_text(200, "AI_ABORTED");
    let failed = server.get("/failed?ask=cut").await;
    failed.expect_text(200, "AI_PROVIDER_CUT");
    server.get("/left?ask=slow").await.expect_text(200, "over");
    let aborted = server.get("/aborted").await;
    aborted.expect_json(200, json!(["TimeoutError", "TimeoutError"]));
}

/// It begins as the answer that was cut does.
fn all_of_half(text: &serde_json::Value) -> bool {
    let text = text.as_str().unwrap_or_default();
    !text.is_empty() && "half of what was to come".starts_with(text)
}

#[tokio::test]
async fn the_key_comes_from_a_file_and_is_shown_to_nobody_else() {
    let key = "sk-from-a-file-0123456789";
    let Some(provider) = Provider::guarded(&[says("text", "here")], key) else {
        skip!("aimock is not installed");
    };
    let asking = "// @ai true\nreturn (await ai.generate('text')).text;";
    let own = asking.replacen('\n', &format!("\n// @ai-key {key}\n"), 1);
    let keys = tempfile::TempDir::new().unwrap();
    let file = keys.path().join("key");
    let setup = || {
        Server::with_scripts(&[("x.ts", asking), ("own.ts", &own)])
            .set("ai.base_url", provider.base_url())
            .set("ai.api_key_file", file.display())
    };
    // Without the file there is no start, and the check says so before.
    let missing = setup().refuses_to_start().await.stderr;
    assert!(missing.contains("ai.api_key_file"), "{missing}");
    let checked = || {
        let mut check = footpath();
        check
            .arg("check")
            .arg(keys.path())
            .env("FOOTPATH_AI_API_KEY_FILE", &file);
        let output = check.output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (sound, said) = checked();
    assert!(!sound && said.contains("ai.api_key_file"), "{said}");
    std::fs::write(&file, "  \n").unwrap();
    let (sound, said) = checked();
    assert!(!sound && said.contains("holds no key"), "{said}");
    std::fs::write(&file, "sk-wrong").unwrap();
    assert!(checked().0);
    let server = setup().start().await;
    let reply = server.get("/x").await;
    reply.expect_error(502, "AI_PROVIDER_AUTH");
    server.get("/own").await.expect_text(200, "here");
    std::fs::write(&file, format!("{key}\n")).unwrap();
    let server = setup().start().await;
    server.get("/x").await.expect_text(200, "here");
    // The key that is named goes before the file.
    let server = setup().set("ai.api_key", "sk-wrong").start().await;
    let reply = server.get("/x").await;
    let reply = reply.expect_error(502, "AI_PROVIDER_AUTH");
    for text in [server.log(), reply.text()] {
        assert!(!text.contains(key) && !text.contains("sk-wrong"), "{text}");
    }
}
