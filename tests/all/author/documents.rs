//! The documentation is the access log: `user-openapi/*` from scripts, companion
//! files and the traffic seen.

use serde_json::{Value, json};

use super::catching;
use super::lifecycle::{read, write};
use super::provider::{Provider, says};
use crate::harness::{Server, Setup, skip};

const USER: &str = "// @description One user\n\
    if (metadata.parameters.id === '0') return res.status(404).json({ error: 'none' });\n\
    return { id: metadata.parameters.id, token: 'hush', tags: ['a'] };";

fn users() -> Setup {
    Server::with_script("users/[id].ts", USER)
        .script("plain.ts", "return 1")
        .script("bad.ts", "return 1")
        .script(
            "plain.openapi.json",
            "{ \"get\": { \"summary\": \"Mine\" } }",
        )
        .script("bad.openapi.json", "{ \"nothing\": 1 }")
}

#[tokio::test]
async fn documentation_is_the_access_log() {
    let server = users().start().await;
    server.get("/users/7?verbose=1").await.expect(200);
    server.get("/users/0").await.expect(404);
    let body = json!({ "name": "Ada", "password": "hush", "age": 36 });
    let post = |body: Value| server.post("/users/7", "").json(&body).send();
    post(body).await.unwrap().expect(200);
    post(json!({ "name": "Bob" })).await.unwrap().expect(200);
    let spec = read(&server, "user-openapi/spec").await;
    let item = &spec["paths"]["/users/{id}"];
    let get = &item["get"];
    assert_eq!(get["summary"], "One user", "{spec}");
    let parameters = get["parameters"].as_array().unwrap();
    let names: Vec<&str> = parameters
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["id", "verbose"]);
    let ok = &get["responses"]["200"]["content"]["application/json"];
    let example = json!({ "id": "7", "token": "[REDACTED]", "tags": ["a"] });
    assert_eq!(ok["example"], example);
    let tags = &ok["schema"]["properties"]["tags"];
    assert_eq!(tags["items"]["type"], "string");
    let missing = &get["responses"]["404"]["content"]["application/json"];
    assert_eq!(missing["example"], json!({ "error": "none" }));
    // What callers send, too.
    assert!(get.get("requestBody").is_none(), "{get}");
    let sent = &item["post"]["requestBody"]["content"]["application/json"];
    let example = json!({ "name": "Ada", "password": "[REDACTED]", "age": 36 });
    assert_eq!(sent["example"], example, "{item}");
    assert_eq!(sent["schema"]["properties"]["age"]["type"], "integer");
    assert_eq!(sent["schema"]["required"], json!(["name"]));
    assert_eq!(spec["paths"]["/plain"]["get"]["summary"], "Mine");
    assert_eq!(spec["x-schema-errors"][0]["script"], "bad.ts");
    let yaml = server.get("/api/v1/exec/user-openapi/spec?format=yaml");
    let yaml = yaml.as_root().await.expect(200);
    assert!(yaml.text().starts_with("openapi: 3.0.3"), "{}", yaml.text());
    let other = server.get("/api/v1/exec/user-openapi/spec?format=xml");
    other.as_root().await.expect(400);
}

#[tokio::test]
async fn the_call_that_makes_a_route_is_seen_as_its_own() {
    let Some(provider) = Provider::start(&[says("URL POST", "return { n: req.body.n + 1 };")])
    else {
        skip!("aimock is not installed");
    };
    let server = catching(&provider).start().await;
    let call = server.post("/api/next?by=1", "").json(&json!({ "n": 1 }));
    call.await.expect_json(200, json!({ "n": 2 }));
    // The answer of a call that still runs is not looked into, and a busy machine may have
    // it that this one did: then the next call of the route is.
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    let spec = loop {
        let spec = read(&server, "user-openapi/spec").await;
        let post = &spec["paths"]["/api/next"]["post"];
        let answered = &post["responses"]["200"]["content"]["application/json"];
        if answered["example"].is_object() {
            break spec;
        }
        assert!(std::time::Instant::now() < deadline, "{spec}");
        let call = server.post("/api/next?by=1", "").json(&json!({ "n": 1 }));
        call.await.expect_json(200, json!({ "n": 2 }));
    };
    let post = &spec["paths"]["/api/next"]["post"];
    assert_eq!(post["parameters"][0]["name"], "by", "{spec}");
    let sent = &post["requestBody"]["content"]["application/json"];
    assert_eq!(sent["example"], json!({ "n": 1 }));
    let answered = &post["responses"]["200"]["content"]["application/json"];
    assert_eq!(answered["example"], json!({ "n": 2 }));
    // Of the catch-all it says nothing but that it was called.
    let maker = &spec["paths"]["/api/{slug}"]["post"];
    assert_eq!(maker["x-calls"], 1, "{spec}");
    assert!(
        maker["responses"]["200"].get("content").is_none(),
        "{maker}"
    );
    assert!(maker.get("requestBody").is_none(), "{maker}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_made_whole_by_looking_into_it() {
    let source = "res.writeHead(200, { 'content-type': 'application/json', 'content-length': '7' });\n\
                  res.write('{\"n\":'); throw new Error('no more')";
    let server = Server::with_script("broken.ts", source).start().await;
    for _ in 0..3 {
        assert!(server.get("/broken").send().await.is_err());
    }
}

#[tokio::test]
async fn what_was_seen_survives_a_restart() {
    let mut server = users().start().await;
    let call = server.post("/users/7", "").json(&json!({ "name": "Ada" }));
    call.await.expect(200);
    server.stop();
    server.restart().await;
    let spec = read(&server, "user-openapi/spec").await;
    let post = &spec["paths"]["/users/{id}"]["post"];
    let sent = &post["requestBody"]["content"]["application/json"];
    assert_eq!(sent["example"], json!({ "name": "Ada" }), "{spec}");
    assert_eq!(post["x-calls"], 1);
}

#[tokio::test]
async fn scripts_are_listed_and_documents_generated() {
    let server = users().start().await;
    let list = read(&server, "user-openapi/list").await;
    assert_eq!(list["success"], true);
    assert_eq!(list["data"]["totalScripts"], 3, "{list}");
    assert_eq!(list["data"]["withSchemas"], 1);
    let scripts = list["data"]["scripts"].as_array().unwrap();
    let user = scripts.iter().find(|one| one["path"] == "users/[id].ts");
    let expected = json!({ "path": "users/[id].ts", "routePath": "/users/{id}", "hasSchema": false, "pathParameters": ["id"] });
    assert_eq!(user, Some(&expected));
    let paths = async |body: Value| {
        let reply = write(&server, "user-openapi/generate", body).await;
        let generated = reply.expect(200).json();
        assert_eq!(generated["success"], true);
        let paths = generated["data"]["paths"].as_object().unwrap();
        let names: Vec<String> = paths.keys().cloned().collect();
        assert_eq!(generated["meta"]["pathCount"], names.len());
        names
    };
    assert_eq!(paths(json!({})).await.len(), 3);
    assert_eq!(paths(json!({ "directory": "scripts" })).await.len(), 3);
    let users = ["/users/{id}".to_owned()];
    assert_eq!(paths(json!({ "directory": "users" })).await, users);
    let top = paths(json!({ "recursive": false })).await;
    assert_eq!(top, ["/bad", "/plain"]);
    let some = json!({ "excludePatterns": ["b*.ts", "[[]*"], "includePatterns": ["*.ts"] });
    assert_eq!(paths(some).await, ["/plain", "/users/{id}"]);
    let named = json!({ "title": "Mine", "version": "2", "description": "All", "baseUrl": "https://x.example" });
    let reply = write(&server, "user-openapi/generate", named).await;
    let document = reply.expect(200).json()["data"].clone();
    let info = json!({ "title": "Mine", "version": "2", "description": "All" });
    assert_eq!(document["info"], info);
    assert_eq!(document["servers"], json!([{ "url": "https://x.example" }]));
    let outside = json!({ "directory": "../2" });
    let reply = write(&server, "user-openapi/generate", outside).await;
    assert!(
        [400, 403].contains(&reply.status.as_u16()),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn companions_are_shown_and_checked() {
    let server = users().start().await;
    let schema = async |file: &str| {
        let path = format!("/api/v1/exec/user-openapi/schema?file={file}");
        server.get(&path).as_root().await
    };
    for file in ["plain.ts", "plain.openapi.json"] {
        let shown = json!({ "success": true, "data": { "get": { "summary": "Mine" } } });
        schema(file).await.expect_json(200, shown);
    }
    let bad = schema("bad.ts").await.expect(200).json();
    assert_eq!(
        (&bad["success"], &bad["data"]),
        (&json!(false), &Value::Null)
    );
    assert!(
        bad["errors"][0].as_str().unwrap().contains("neither"),
        "{bad}"
    );
    schema("users/[id].ts").await.expect(404);
    schema("").await.expect(400);
    let validate = async |body: Value| write(&server, "user-openapi/validate", body).await;
    let valid = json!({ "success": true, "data": { "valid": true } });
    let good = json!({ "schema": { "get": { "responses": { "200": {} } } } });
    validate(good).await.expect_json(200, valid.clone());
    let stored = validate(json!({ "file": "plain.ts" })).await;
    stored.expect_json(200, valid);
    let wrong =
        json!({ "schema": { "get": { "responses": [], "parameters": [{ "name": "x" }] } } });
    let told = validate(wrong).await.expect(200).json();
    assert_eq!(told["data"]["valid"], false);
    assert_eq!(told["errors"].as_array().unwrap().len(), 2, "{told}");
    validate(json!({ "file": "none.ts" })).await.expect(404);
    validate(json!({})).await.expect(400);
}

#[tokio::test]
async fn documents_are_merged() {
    let server = users()
        .script(
            "plain.openapi.json",
            "{ \"paths\": { \"/plain\": { \"get\": { \"summary\": \"Mine\" } }, \"/more\": {} }, \"components\": { \"schemas\": { \"One\": {} } } }",
        )
        .start()
        .await;
    let other = json!({
        "openapi": "3.0.3",
        "paths": { "/plain": { "get": { "summary": "Theirs" }, "put": {} }, "/b": { "get": {} } },
        "components": { "schemas": { "Two": {} } },
    });
    let body = json!({ "directories": ["", "users"], "specs": [other], "title": "Both" });
    let reply = write(&server, "user-openapi/merge", body).await;
    let merged = reply.expect(200).json();
    assert_eq!(merged["success"], true);
    let (data, paths) = (&merged["data"], &merged["data"]["paths"]);
    assert_eq!(data["info"]["title"], "Both");
    // The first that says something of a member keeps it, and nothing is lost.
    assert_eq!(paths["/plain"]["get"]["summary"], "Mine", "{data}");
    assert!(paths["/plain"]["put"].is_object() && paths["/b"].is_object());
    assert!(paths["/users/{id}"].is_object());
    let schemas = data["components"]["schemas"].as_object().unwrap();
    assert_eq!(schemas.keys().collect::<Vec<_>>(), ["One", "Two"]);
    for wrong in [json!({ "paths": 1 }), json!({ "get": {} }), json!(7)] {
        let body = json!({ "specs": [wrong] });
        let reply = write(&server, "user-openapi/merge", body).await;
        reply.expect(400);
    }
    let many = json!({ "specs": vec![json!({ "paths": {} }); 33] });
    let reply = write(&server, "user-openapi/merge", many).await;
    reply.expect(400);
}
