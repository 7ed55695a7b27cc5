//! `validate/*`: what is said about code that nobody stores.

use serde_json::{Value, json};

use super::post;
use crate::harness::Server;

#[tokio::test]
async fn code_is_judged_and_nothing_is_stored() {
    let server = Server::empty().start().await;
    let validate = async |what: &str, body: Value| {
        post(&server, &format!("validate/{what}"), body)
            .await
            .expect(200)
            .json()
    };
    let code = "// @mode fast\n// @timeout 5s\nconst a: number = 1\nreturn a";
    let answer = validate("script", json!({ "code": code })).await;
    let results = &answer["results"];
    assert_eq!(
        (&answer["valid"], &results["syntax"]["valid"]),
        (&json!(true), &json!(true))
    );
    assert!(results["typescript"]["transpiledLength"].as_u64().unwrap() > 20);
    assert_eq!(
        results["magicComments"],
        json!({ "mode": "serverless", "timeout": 5000 })
    );
    assert_eq!(results["magicCommentWarnings"][0]["directive"], "@mode");
    assert_eq!(
        results["transformations"],
        json!(["strip-types", "wrap-top-level-code"])
    );
    assert_eq!(results["dependencies"]["allInstalled"], true);

    let code = "import a from 'lodash'; import b from 'chalk@5'; import './lib'; return [a, b]";
    let answer = validate("script", json!({ "code": code, "language": "javascript" })).await;
    let dependencies = &answer["results"]["dependencies"];
    assert_eq!(
        (&answer["valid"], &answer["results"]["typescript"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(
        (&dependencies["total"], &dependencies["missing"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(dependencies["missingModules"], json!(["lodash"]));
    assert_eq!(dependencies["invalidModules"], json!(["chalk@5"]));
    assert!(answer["message"].as_str().unwrap().contains("`lodash`"));

    let answer = validate("script", json!({ "code": "return +" })).await;
    assert_eq!(
        (&answer["valid"], &answer["results"]["syntax"]["valid"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(answer["results"]["syntax"]["errors"][0]["line"], 1);

    let answer = validate("syntax", json!({ "code": "const a = 1; return a" })).await;
    assert_eq!(
        (&answer["valid"], &answer["message"]),
        (&json!(true), &json!("JavaScript syntax is valid"))
    );
    assert_eq!(answer["codeLength"], 21);
    let answer = validate("syntax", json!({ "code": "const a: number = 1" })).await;
    assert_eq!(answer["valid"], false);
    let answer = validate(
        "syntax",
        json!({ "code": "const a: number = 1", "extension": ".ts" }),
    )
    .await;
    assert_eq!(answer["valid"], true);

    let answer = validate(
        "typescript",
        json!({ "code": "enum A { B }\nreturn A.B as number" }),
    )
    .await;
    assert_eq!(answer["valid"], true);
    assert!(!answer["javascript"].as_str().unwrap().contains("as number"));
    assert_eq!(answer["originalLength"], 33);
    let answer = validate("typescript", json!({ "code": "enum {" })).await;
    assert_eq!(
        (&answer["valid"], &answer["javascript"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(answer["errors"][0]["path"], "script.ts");

    let answer = validate("magic-comments", json!({ "code": "return 1" })).await;
    assert_eq!(
        (&answer["magicComments"], &answer["warnings"]),
        (&Value::Null, &json!([]))
    );
    assert_eq!(answer["returnType"], Value::Null);
    let answer = validate("magic-comments", json!({ "code": "// @ai-key s3cret\n" })).await;
    assert_eq!(answer["magicComments"]["aiKey"], "[REDACTED]");
    assert_eq!(
        std::fs::read_dir(server.scripts().join("1"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn values_are_held_against_types() {
    let server = Server::empty().start().await;
    let check = async |definition: &str, value: Value| {
        let body = json!({ "typeDefinition": definition, "value": value });
        post(&server, "validate/return-type", body)
            .await
            .expect(200)
            .json()
    };
    let definition = "{ id: number; tags?: string[]; state: 'on' | 'off' | null }";
    let answer = check(definition, json!({ "id": 1, "tags": ["a"], "state": null })).await;
    assert_eq!(
        (&answer["valid"], &answer["errors"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(answer["parsedType"]["kind"], "object");
    assert_eq!(answer["typeDefinition"], definition);
    let answer = check(definition, json!({ "id": "1", "tags": [1], "state": "on" })).await;
    let expected = json!([
        "$.id: expected number, got \"1\"",
        "$.tags[0]: expected string, got 1"
    ]);
    assert_eq!(
        (&answer["valid"], &answer["errors"]),
        (&json!(false), &expected)
    );
    assert_eq!(check("null", Value::Null).await["valid"], true);
    let answer = check("Map<string, Date>", json!({})).await;
    assert_eq!(
        (&answer["valid"], &answer["parsedType"]),
        (&json!(false), &Value::Null)
    );
    assert!(answer["errors"][0].as_str().unwrap().contains("`Map`"));
    let deep = check(&"(".repeat(60_000), json!(1)).await;
    assert_eq!(deep["valid"], false);
    post(
        &server,
        "validate/return-type",
        json!({ "typeDefinition": "string" }),
    )
    .await
    .expect(400);
    post(&server, "validate/return-type", json!({ "value": 1 }))
        .await
        .expect(400);
}

#[tokio::test]
async fn what_is_no_code_is_refused() {
    let server = Server::empty().start().await;
    for what in ["script", "syntax", "typescript", "magic-comments"] {
        let operation = format!("validate/{what}");
        let reply = post(&server, &operation, json!({}))
            .await
            .expect_error(400, "ERROR_400")
            .json();
        assert_eq!(reply["error"], "code is required", "{what}");
        post(&server, &operation, json!({ "code": 1 }))
            .await
            .expect(400);
    }
    let body = json!({ "code": "1", "language": "cobol" });
    post(&server, "validate/script", body).await.expect(400);
    for bomb in [
        "[".repeat(100_000),
        "a+".repeat(100_000),
        "x".repeat(2 << 20),
    ] {
        let answer = post(&server, "validate/script", json!({ "code": bomb }))
            .await
            .expect(200)
            .json();
        assert_eq!(answer["valid"], false);
    }
}
