//! What extractors make of queries and bodies, good ones and bad ones.

use super::*;
use serde::Deserialize;

#[derive(Debug, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Example {
    path: String,
    #[serde(default)]
    create_dirs: bool,
    limit: Option<u32>,
    #[serde(default)]
    values: Map<String, Value>,
    #[schema(value_type = Value, required = false)]
    anything: Option<Value>,
}

fn read(value: Value, place: Place) -> Result<Example, String> {
    let map = value
        .as_object()
        .cloned()
        .expect("the test gives an object");
    fields(map, place).map_err(|error| error.error)
}

#[test]
fn what_contradicts_itself_in_a_query_is_refused() {
    let two = query(Some("dry_run=true&x=1&dry_run=false")).unwrap_err();
    assert_eq!(two.error, "The query has two values for `dry_run`");
    assert_eq!(query(Some("x=1&x=1")).unwrap().len(), 1);
}

#[test]
fn texts_of_errors() {
    let body = [
        (json!({}), "path is required"),
        (json!({ "path": null }), "path must be a string"),
        (json!({ "path": 1 }), "path must be a string"),
        (
            json!({ "path": "x", "createDirs": "yes" }),
            "createDirs must be a boolean",
        ),
        (
            json!({ "path": "x", "limit": 1.5 }),
            "limit must be an integer",
        ),
        // What the type behind it cannot hold.
        (
            json!({ "path": "x", "limit": -1 }),
            "limit must be at least 0",
        ),
        (
            json!({ "path": "x", "limit": 1_u64 << 32 }),
            "limit must be a smaller number",
        ),
        (
            json!({ "path": "x", "values": [] }),
            "values must be an object",
        ),
        (
            json!({ "pth": "x" }),
            "Unknown field `pth`; did you mean `path`?",
        ),
        (
            json!({ "path": "x", "create_dirs": true }),
            "Unknown field `create_dirs`; did you mean `createDirs`?",
        ),
        (json!({ "path": "x", "zzz": 1 }), "Unknown field `zzz`"),
    ];
    for (fields, expected) in body {
        assert_eq!(
            read(fields.clone(), Place::Body).unwrap_err(),
            expected,
            "{fields}"
        );
    }
    let query = [
        (json!({}), "path parameter is required"),
        (json!({ "path": "" }), "path parameter is required"),
        (
            json!({ "path": "x", "limit": "many" }),
            "limit must be an integer",
        ),
        (
            json!({ "path": "x", "createDirs": "maybe" }),
            "createDirs must be a boolean",
        ),
        (
            json!({ "path": "x", "lmit": "1" }),
            "Unknown query parameter `lmit`; did you mean `limit`?",
        ),
    ];
    for (fields, expected) in query {
        assert_eq!(
            read(fields.clone(), Place::Query).unwrap_err(),
            expected,
            "{fields}"
        );
    }
}

#[test]
fn texts_of_a_query_become_what_is_expected() {
    let fields = query(Some("path=a%20b&createDirs&limit=4&limit=4")).unwrap();
    let read = read(Value::Object(fields), Place::Query).unwrap();
    assert_eq!(
        (read.path.as_str(), read.create_dirs, read.limit),
        ("a b", true, Some(4))
    );
}

#[test]
fn a_query_that_does_not_decode_is_refused() {
    for text in ["a=%", "a=%2", "a=%zz", "%ff=1", "a=%C3"] {
        let error = query(Some(text)).unwrap_err();
        assert_eq!(error.error, "Malformed query string", "{text}");
    }
    assert!(query(Some("a=%C3%A9&b")).is_ok());
}

async fn body(bytes: &'static [u8]) -> Result<Map<String, Value>, ApiError> {
    json_body(
        &HeaderMap::new(),
        Body::from(bytes),
        20,
        Duration::from_secs(1),
    )
    .await
}

#[tokio::test]
async fn bodies() {
    for (bytes, expected) in [
        (&b"{\"a\":1}"[..], json!({ "a": 1 })),
        (b"\xEF\xBB\xBF {}", json!({})),
        (b"  ", json!({})),
    ] {
        assert_eq!(Value::Object(body(bytes).await.unwrap()), expected);
    }
    let error = body(b"{\"a\":").await.unwrap_err();
    assert_eq!(
        (error.status.as_u16(), error.error.as_str()),
        (400, "Invalid JSON body")
    );
    let details = &error.fields["details"];
    assert_eq!(details["bodyPreview"], "{\"a\":");
    assert!(details["parseError"].as_str().unwrap().contains("EOF"));
    assert_eq!(
        body(b"[1]").await.unwrap_err().fields["details"]["parseError"],
        "expected an object, not an array"
    );
    let error = body(b"{\"a\":\"aaaaaaaaaaaaaaaaaaaa\"}").await.unwrap_err();
    assert_eq!(
        (error.status.as_u16(), &error.fields["details"]["maxBytes"]),
        (413, &json!(20))
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_times_out() {
    let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let error = json_body(&HeaderMap::new(), never, 20, Duration::from_millis(5))
        .await
        .unwrap_err();
    assert_eq!(error.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(error.fields["details"]["timeoutMs"], 5);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_apart() {
    let parts: [Result<Bytes, std::io::Error>; 2] = [
        Ok(Bytes::from_static(b"{")),
        Err(std::io::ErrorKind::ConnectionReset.into()),
    ];
    let broken = Body::from_stream(futures_util::stream::iter(parts));
    let error = json_body(&HeaderMap::new(), broken, 20, Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(
        error.error,
        "Request aborted before the body was fully received"
    );
}
