//! Health, and the OpenAPI document: that it is served, and that answers are
//! what it says.

use http::Method;
use serde_json::{Map, Value, json};

use crate::harness::{Reply, Server};

#[tokio::test]
async fn health_has_its_nine_fields() {
    let server = Server::empty().start().await;
    let health = server
        .get("/api/v1/exec/health")
        .header("user-agent", "tests")
        .await
        .expect(200)
        .json();
    let mut names: Vec<&String> = health.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "built",
            "fds",
            "ip",
            "memory",
            "pid",
            "service",
            "started",
            "status",
            "userAgent"
        ]
    );
    assert_eq!(
        (&health["status"], &health["ip"]),
        (&json!("ok"), &json!("127.0.0.1"))
    );
    assert_eq!(
        (&health["pid"], &health["userAgent"]),
        (&json!(server.pid()), &json!("tests"))
    );
    assert!(health["memory"]["rss"].as_u64() >= health["memory"]["heap"].as_u64());
}

#[tokio::test]
async fn the_document_is_for_everybody_in_both_forms() {
    let server = Server::empty().start().await;
    let document = server.get("/openapi.json").await.expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let yaml = server
        .get("/openapi.yaml")
        .await
        .expect(200)
        .expect_header("content-type", "application/yaml");
    let yaml: Value = serde_norway::from_str(&yaml.text()).unwrap();
    assert_eq!(yaml, document);
    server
        .post("/openapi.json", "")
        .await
        .expect(405)
        .expect_header("allow", "GET");
}

/// The document, and how many answers were held against it.
struct Conformance<'a> {
    server: &'a Server,
    document: Value,
}

impl Conformance<'_> {
    /// Makes a call, and holds the answer against the document.
    async fn call(&self, method: Method, target: &str, body: Value) -> Reply {
        let reply = self
            .server
            .request(method.clone(), target)
            .as_root()
            .json(&body)
            .await;
        let path = target.split('?').next().unwrap();
        let operation = self.operation(path, &method);
        let status = reply.status.as_str();
        let response = operation["responses"]
            .get(status)
            .unwrap_or(&operation["responses"]["default"]);
        let schema = &response["content"]["application/json"]["schema"];
        assert!(
            schema.is_object(),
            "{method} {path} {status} is not described"
        );
        if let Err(problem) = self.fits(schema, &reply.json(), "$") {
            panic!("{method} {target}: {problem}\n{}", reply.text());
        }
        reply
    }

    fn operation(&self, path: &str, method: &Method) -> &Value {
        let paths = self.document["paths"].as_object().unwrap();
        let same = |template: &str| {
            let (a, b): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), path.split('/').collect());
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || a.starts_with('{'))
        };
        let found = paths.get(path).or_else(|| {
            paths
                .iter()
                .find(|(template, _)| same(template))
                .map(|(_, at)| at)
        });
        &found.unwrap_or_else(|| panic!("{path} is not in the document"))
            [method.as_str().to_lowercase()]
    }

    /// Whether a value is as the schema says, and has no field that it does not name.
    fn fits(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(one) = ["oneOf", "anyOf"]
            .iter()
            .find_map(|key| schema[key].as_array())
        {
            let fits = one.iter().any(|one| self.fits(one, value, at).is_ok());
            return if fits {
                Ok(())
            } else {
                Err(format!("{at} is none of {one:?}"))
            };
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let number = kind == "integer" && types.contains(&"number");
        if !types.is_empty() && !types.contains(&kind) && !number {
            return Err(format!("{at} is {kind}, expected {types:?}"));
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            for (index, value) in values.iter().enumerate() {
                self.fits(items, value, &format!("{at}[{index}]"))?;
            }
        }
        let Some(fields) = value.as_object() else {
            return Ok(());
        };
        let mut properties = Map::new();
        let mut required = Vec::new();
        self.gather(schema, &mut properties, &mut required);
        if let Some(missing) = required
            .iter()
            .find(|name| !fields.contains_key(name.as_str()))
        {
            return Err(format!("{at}.{missing} is missing"));
        }
        for (name, value) in fields {
            match properties.get(name) {
                Some(schema) => self.fits(schema, value, &format!("{at}.{name}"))?,
                None if properties.is_empty() => {}
                None => return Err(format!("{at}.{name} is not described")),
            }
        }
        Ok(())
    }

    /// The fields of an object, through references and parts.
    fn gather(
        &self,
        schema: &Value,
        properties: &mut Map<String, Value>,
        required: &mut Vec<String>,
    ) {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.gather(
                &self.document.pointer(&reference[1..]).unwrap().clone(),
                properties,
                required,
            );
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.gather(part, properties, required);
        }
        // Of a part that may be absent the fields are known, and none is required.
        for part in schema["oneOf"].as_array().into_iter().flatten() {
            self.gather(part, properties, &mut Vec::new());
        }
        properties.extend(
            schema["properties"]
                .as_object()
                .cloned()
                .unwrap_or_default(),
        );
        let names = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        required.extend(names.map(str::to_owned));
    }
}

#[tokio::test]
async fn answers_are_what_the_document_says() {
    let server = Server::with_scripts(&[
        ("a.ts", "// @label x\n// @tag y\nconsole.log('a'); return 1"),
        ("b.js", "return +"),
    ])
    .start()
    .await;
    server.get("/a").await.expect(200);
    server.get("/b").await.expect(503);
    let document = server.get("/openapi.json").await.expect(200).json();
    let check = Conformance {
        server: &server,
        document,
    };
    let ok = async |method: Method, operation: &str, body: Value| {
        check
            .call(method, &format!("/api/v1/exec/{operation}"), body)
            .await
            .expect(200)
    };
    let none = || json!({});
    let (get, post) = (Method::GET, Method::POST);
    ok(get.clone(), "health", none()).await;
    ok(
        post.clone(),
        "scripts/write",
        json!({ "path": "c.ts", "content": "// @websocket true\nreturn 1" }),
    )
    .await;
    ok(
        post.clone(),
        "scripts/write",
        json!({ "path": "x.tsx", "content": "" }),
    )
    .await;
    ok(get.clone(), "scripts/read?path=a.ts", none()).await;
    ok(get.clone(), "scripts/read?path=b.js", none()).await;
    ok(
        get.clone(),
        "scripts/list?metadata=true&include_comments=true",
        none(),
    )
    .await;
    ok(get.clone(), "scripts/list?exhaustive=true", none()).await;
    ok(
        post.clone(),
        "scripts/tree",
        json!({ "includeMetadata": true }),
    )
    .await;
    ok(
        get.clone(),
        "scripts/versions?path=a.ts&hash=1&from=1",
        none(),
    )
    .await;
    ok(
        post.clone(),
        "scripts/rollback",
        json!({ "path": "a.ts", "version": 1 }),
    )
    .await;
    ok(
        post.clone(),
        "scripts/move",
        json!({ "from": "c.ts", "to": "d/c.ts" }),
    )
    .await;
    ok(
        Method::DELETE,
        "scripts/delete?path=d/c.ts&confirm=true",
        none(),
    )
    .await;
    for what in ["script", "syntax", "typescript"] {
        ok(
            post.clone(),
            &format!("validate/{what}"),
            json!({ "code": "// @mode x\nreturn 1" }),
        )
        .await;
        ok(
            post.clone(),
            &format!("validate/{what}"),
            json!({ "code": "return +" }),
        )
        .await;
    }
    ok(
        post.clone(),
        "validate/magic-comments",
        json!({ "code": "// @mode x" }),
    )
    .await;
    ok(
        post.clone(),
        "validate/return-type",
        json!({ "typeDefinition": "1[]", "value": [1, 2] }),
    )
    .await;
    ok(get.clone(), "magic-comments/read?path=a.ts", none()).await;
    ok(
        Method::PUT,
        "magic-comments/update",
        json!({ "path": "a.ts", "comments": { "label": "z" } }),
    )
    .await;
    let body = json!({ "path": "a.ts", "comments": { "label": "y" }, "dry_run": true });
    ok(Method::PUT, "magic-comments/update", body).await;
    ok(
        post.clone(),
        "magic-comments/bulk-update",
        json!({ "comments": {} }),
    )
    .await;
    ok(post.clone(), "route/resolve", json!({ "path": "/a" })).await;
    ok(
        post.clone(),
        "route/discover",
        json!({ "includeMetadata": true }),
    )
    .await;
    ok(post.clone(), "route/test", json!({ "paths": ["/a", "/z"] })).await;
    ok(
        post.clone(),
        "shared-state/set",
        json!({ "path": "a", "value": 1 }),
    )
    .await;
    ok(post.clone(), "shared-state/get", none()).await;
    ok(post.clone(), "shared-state/clear", none()).await;
    ok(post.clone(), "cache/clear", none()).await;
    ok(get.clone(), "logs/list", none()).await;
    ok(
        post.clone(),
        "logs/read",
        json!({ "file": "access/access.log" }),
    )
    .await;
    ok(post.clone(), "logs/search", json!({ "query": "a" })).await;
    ok(Method::DELETE, "logs/clear?confirm=true", none()).await;
    ok(get.clone(), "monitor/stats", none()).await;
    ok(get.clone(), "monitor/active-requests", none()).await;
    ok(get.clone(), "monitor/scripts", none()).await;
    ok(
        post.clone(),
        "monitor/script-performance",
        json!({ "scriptPath": "a.ts" }),
    )
    .await;
    let tokens = "/api/v1/auth/tokens";
    let body = json!({ "alias": "x", "permissions": ["exec"], "expires_at": "tomorrow" });
    let made = check
        .call(post.clone(), tokens, body)
        .await
        .expect(201)
        .json();
    let one = format!("{tokens}/{}", made["data"]["id"].as_str().unwrap());
    check.call(get.clone(), tokens, none()).await.expect(200);
    check.call(get.clone(), &one, none()).await.expect(200);
    check
        .call(Method::PATCH, &one, json!({ "alias": "y" }))
        .await
        .expect(200);
    check
        .call(post.clone(), &format!("{one}/rotate"), none())
        .await
        .expect(200);
    check.call(Method::DELETE, &one, none()).await.expect(200);
    check.call(get.clone(), &one, none()).await.expect(404);
    check
        .call(
            post,
            "/api/v1/exec/scripts/write",
            json!({ "path": "../x" }),
        )
        .await
        .expect(400);
}

#[tokio::test]
async fn answers_of_cron_are_what_the_document_says() {
    let server = Server::with_script("a.ts", "// @schedule @daily\nreturn 1")
        .start()
        .await;
    let document = server.get("/openapi.json").await.expect(200).json();
    let check = Conformance {
        server: &server,
        document,
    };
    let entry = json!({ "schedule": "@daily", "command": "curl /a", "name": null });
    let call = async |method: Method, target: &str, body: Value, status: u16| {
        let reply = check.call(method, target, body).await;
        reply.expect(status).json()
    };
    let (get, none) = (Method::GET, json!({}));
    let made = call(Method::POST, "/users/me/entries", entry.clone(), 201).await;
    let at = format!("/users/me/entries/{}", made["id"].as_str().unwrap());
    call(Method::POST, "/users/me/entries", none.clone(), 400).await;
    call(
        Method::POST,
        &format!("{at}/run?wait=true"),
        none.clone(),
        200,
    )
    .await;
    call(
        Method::POST,
        &format!("{at}/run?dry_run=true"),
        none.clone(),
        200,
    )
    .await;
    call(Method::PATCH, &at, json!({ "comment": "c" }), 200).await;
    for target in [
        at.as_str(),
        &format!("{at}/runs"),
        "/users/me/entries",
        "/users/me/runs?limit=1",
        "/users/me/crontab",
        "/crontab",
        "/health",
        "/api/v1/exec/schedules/list",
        "/api/v1/exec/schedules/history",
    ] {
        call(get.clone(), target, none.clone(), 200).await;
    }
    call(
        Method::PUT,
        "/users/me/crontab",
        json!({ "crontab": "# x" }),
        200,
    )
    .await;
    call(get, "/users/nobody/entries", none.clone(), 404).await;
    let made = call(Method::POST, "/api/v1/cron/users/me/entries", entry, 201).await;
    let at = format!(
        "/api/v1/cron/users/me/entries/{}",
        made["id"].as_str().unwrap()
    );
    call(Method::DELETE, &at, none.clone(), 200).await;
    let trigger = json!({ "scriptPath": "a.ts" });
    call(Method::POST, "/api/v1/exec/schedules/trigger", trigger, 200).await;
    call(Method::POST, "/api/v1/exec/schedules/reload", none, 200).await;
}
