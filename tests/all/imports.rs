//! Files that import files of their deployment, and what a change of one does.

use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn relative_imports_of_every_kind_work() {
    let server = Server::with_scripts(&[
        ("_lib/math.ts", "export const twice = (n: number) => 2 * n;\nexport default 'the default';\nexport type T = string;"),
        ("_lib/index.ts", "export * from './math';"),
        ("_lib/plain.js", "export const plain = true;"),
        ("_lib/cjs.js", "module.exports = { common: 1 };"),
        ("data.json", r#"{ "rows": [1, 2] }"#),
        (
            "a/b/user.ts",
            r#"
            import base, { twice } from "../../_lib/math.ts";
            import * as all from "../../_lib";
            import { plain } from "../../_lib/plain";
            import cjs from "../../_lib/cjs.js";
            import data from "../../data.json";
            import { type T } from "../../_lib/math";
            const t: T = "t";
            const later = await import("../../_lib/math");
            return { base, four: twice(2), all: Object.keys(all), plain, cjs, data, t, later: later.twice(3) };
            "#,
        ),
    ])
    .dev()
    .start()
    .await;
    server.get("/a/b/user").await.expect_json(
        200,
        json!({
            "base": "the default", "four": 4, "all": ["twice"], "plain": true, "cjs": { "common": 1 },
            "data": { "rows": [1, 2] }, "t": "t", "later": 6,
        }),
    );
}

#[tokio::test]
async fn cycles_work() {
    let server = Server::with_scripts(&[
        ("_even.ts", "import { odd } from './_odd';\nexport const even = (n: number): boolean => n === 0 || odd(n - 1);"),
        ("_odd.ts", "import { even } from './_even';\nexport const odd = (n: number): boolean => n !== 0 && even(n - 1);"),
        ("cycle.ts", "import { even } from './_even';\nreturn [even(10), even(7)];"),
    ])
    .start()
    .await;
    server
        .get("/cycle")
        .await
        .expect_json(200, json!([true, false]));
}

#[tokio::test]
async fn a_module_is_evaluated_once_however_often_it_is_imported() {
    let server = Server::with_scripts(&[
        ("_state.ts", "export const list: string[] = [];"),
        ("_a.ts", "import { list } from './_state'; list.push('a');"),
        ("_b.ts", "import { list } from './_state'; list.push('b');"),
        (
            "order.ts",
            "import './_a'; import './_b'; import { list } from './_state'; return list;",
        ),
    ])
    .start()
    .await;
    for _ in 0..2 {
        server
            .get("/order")
            .await
            .expect_json(200, json!(["a", "b"]));
    }
}

#[tokio::test]
async fn a_changed_import_republishes_its_users() {
    let server = Server::with_scripts(&[
        ("_lib/value.ts", "export const value = 'old';"),
        ("_lib/between.ts", "export { value } from './value';"),
        ("data.json", "1"),
        (
            "direct.ts",
            "import { value } from './_lib/value'; return value;",
        ),
        (
            "indirect.ts",
            "import { value } from './_lib/between'; return value;",
        ),
        ("table.ts", "import data from './data.json'; return data;"),
        (
            "route.ts",
            "export const shared = 'old route'; export default () => shared;",
        ),
        (
            "user-of-route.ts",
            "import { shared } from './route'; return shared;",
        ),
    ])
    .start()
    .await;
    for target in ["/direct", "/indirect"] {
        server.get(target).await.expect_text(200, "old");
    }
    server
        .get("/user-of-route")
        .await
        .expect_text(200, "old route");
    server.get("/table").await.expect_json(200, json!(1));
    server.save("_lib/value.ts", "export const value = 'new';");
    for target in ["/direct", "/indirect"] {
        server.until(target, |reply| reply.text() == "new").await;
    }
    server.save("data.json", "2");
    server.until("/table", |reply| reply.text() == "2").await;
    server.save(
        "route.ts",
        "export const shared = 'new route'; export default () => shared;",
    );
    server
        .until("/user-of-route", |reply| reply.text() == "new route")
        .await;
    server
        .until("/route", |reply| reply.text() == "new route")
        .await;
}

#[tokio::test]
async fn a_broken_import_leaves_its_users_up_until_it_is_mended() {
    let server = Server::with_scripts(&[
        ("_lib.ts", "export const value = 1;"),
        (
            "user.ts",
            "import { value } from './_lib'; return { value };",
        ),
    ])
    .start()
    .await;
    server
        .get("/user")
        .await
        .expect_json(200, json!({ "value": 1 }));
    server.save("_lib.ts", "export const value = ;");
    server.logs("_lib.ts:1:22").await;
    server
        .get("/user")
        .await
        .expect_json(200, json!({ "value": 1 }));
    server.save("_lib.ts", "export const value = 2;");
    server
        .until("/user", |reply| reply.text() == r#"{"value":2}"#)
        .await;
    server.remove("_lib.ts");
    server.logs("user.ts:1:23").await;
    server
        .get("/user")
        .await
        .expect_json(200, json!({ "value": 2 }));
}

#[tokio::test]
async fn a_missing_import_that_appears_brings_its_user_up() {
    let server = Server::with_script(
        "user.ts",
        "import { value } from './_later'; return { value };",
    )
    .start()
    .await;
    server
        .get("/user")
        .await
        .expect_error(503, "SCRIPT_NOT_PUBLISHED");
    server.save("_later.ts", "export const value = 'there';");
    server
        .until("/user", |reply| reply.text() == r#"{"value":"there"}"#)
        .await;
}

#[tokio::test]
async fn a_script_with_all_it_imports_has_a_size() {
    let server = Server::with_scripts(&[
        ("_text.json", &format!("\"{}\"", "x".repeat(900))),
        ("alone.ts", &format!("return {};", "1 + ".repeat(150) + "1")),
        (
            "both.ts",
            &format!(
                "import text from './_text.json'; return text.length + {};",
                "1 + ".repeat(150) + "1"
            ),
        ),
    ])
    .set("limits.bundle_bytes", 1200)
    .dev()
    .start()
    .await;
    server.get("/alone").await.expect_text(200, "151");
    let reply = server
        .get("/both")
        .await
        .expect_error(503, "SCRIPT_NOT_PUBLISHED");
    assert!(
        reply.text().contains("more than 1200 bytes")
            && reply.text().contains("limits.bundle_bytes"),
        "{reply:?}"
    );
}
