//! A process that dies while a route is being made leaves no route or a working one.

use std::time::Duration;

use serde_json::json;

use super::catching;
use super::provider::{Provider, says};
use crate::harness::skip;

/// Between two kills, counted from the start of the request. The whole flow takes
/// about 200 ms here, the model's answer included.
const STEP: Duration = Duration::from_millis(18);
const KILLS: u32 = 14;

#[tokio::test]
async fn a_kill_at_any_moment_leaves_no_route_or_a_working_one() {
    let handler = "return { url: req.url, authority: [typeof fs, typeof kv] };";
    let Some(provider) = Provider::start(&[says("URL GET /k", handler)]) else {
        skip!("aimock is not installed");
    };
    let mut server = catching(&provider)
        .set("author.calls_per_minute_per_client", 1_000)
        .start()
        .await;
    let mut saved = 0;
    for kill in 0..KILLS {
        let path = format!("/api/k{kill}");
        {
            let call = async { server.get(&path).send().await };
            // What it answers, or that it does not, is not the point.
            let _ = tokio::time::timeout(STEP * kill, call).await;
        }
        server.kill();
        let file = server.scripts().join(format!("1{path}.ts"));
        saved += u32::from(file.exists());
        if let Ok(text) = std::fs::read_to_string(&file) {
            assert_eq!(text, format!("// @mode serverless\n{handler}"));
        }
        server.restart().await;
        // Whoever finds it, it has no more authority than a model's script.
        let expected = json!({ "url": path, "authority": ["undefined", "undefined"] });
        server.get(&path).await.expect_json(200, expected);
    }
    assert!(saved < KILLS, "every kill came too late to prove anything");
}
