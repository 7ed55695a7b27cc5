//! From a URL to a script: files, parameters, priorities, deployments.

use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn a_file_is_a_route() {
    let server = Server::with_script("hello.ts", "return { hello: 'world' }")
        .start()
        .await;
    server
        .get("/hello")
        .await
        .expect_json(200, json!({ "hello": "world" }));
    server.get("/nothing").await.expect_error(404, "ERROR_404");
}
