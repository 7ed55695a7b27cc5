//! `generateText`, `streamText`, `generateObject`, `ai.*` and the directives.

use serde_json::json;

use super::provider::{Provider, says};
use crate::harness::{Server, skip};

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
