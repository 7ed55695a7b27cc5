//! The limit of what the HTTP stack can do: one route of bare axum that answers
//! the benchmark's JSON. Prints its address and serves until it is killed.

use axum::{Json, Router, routing::get};
use serde_json::json;

#[tokio::main]
async fn main() {
    let hello = get(|| async { Json(json!({ "hello": "world" })) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    println!(
        "listening on http://{}",
        listener.local_addr().expect("it is bound")
    );
    axum::serve(listener, Router::new().route("/hello", hello))
        .await
        .expect("it serves until it is killed");
}
