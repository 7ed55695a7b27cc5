//! What a server does without being asked: it keeps exports, bounds its cache,
//! forgets what is gone, and tells of files that will never answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use http::Method;
use serde_json::{Value, json};

use crate::api::{get, post, write};
use crate::harness::{PATIENCE, Server, run};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Waits for so many exports, and gives the newest.
async fn exports(data: &Path, count: usize) -> PathBuf {
    let folder = data.join("exports");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut found = names(&folder);
        found.retain(|name| !name.starts_with('.') && !name.contains("tmp"));
        if let (true, Some(newest)) = (found.len() == count, found.last()) {
            return folder.join(newest);
        }
        assert!(Instant::now() < deadline, "{found:?} and not {count}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn each_start_keeps_an_export_that_can_be_imported() {
    let get_or_add =
        "return metadata.query.add ? await kv.increment('n') : await kv.get('n') ?? null";
    let mut server = Server::with_script("n.ts", get_or_add).start().await;
    exports(&server.data(), 1).await;
    server.get("/n?add=1").await.expect_text(200, "1");
    server.restart().await;
    let export = exports(&server.data(), 2).await;
    // What is written after the start is not in it.
    server.get("/n?add=1").await.expect_text(200, "2");
    let other = Server::with_script("n.ts", get_or_add);
    let data = other.data().display().to_string();
    let export = export.display().to_string();
    let done = run(&["import", &export, "--data", &data], Path::new("/"), "");
    assert!(done.status.success(), "{done:?}");
    let other = other.start().await;
    other.get("/n").await.expect_text(200, "1");
}

/// Waits until at most so many handlers are loaded, and gives the count.
async fn loaded(server: &Server, max: u64) -> u64 {
    let path = "cache/clear";
    let deadline = Instant::now() + PATIENCE;
    loop {
        let asked = json!({ "clearVm": false });
        let answer = post(server, path, asked).await.expect(200).json();
        let loaded = answer["vmCache"]["remaining"].as_u64().expect("a count");
        if loaded <= max {
            return loaded;
        }
        assert!(Instant::now() < deadline, "{loaded} are loaded");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn handlers_that_nobody_calls_are_let_go() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut setup = Server::empty();
    for name in names {
        setup = setup.script(&format!("{name}.ts"), &format!("return '{name}'"));
    }
    let setup = setup
        .script(
            "w.ts",
            "// @mode worker\nglobalThis.n = (globalThis.n ?? 0) + 1\nreturn n",
        )
        .set("exec.loaded_handlers_max", 3);
    let mut server = setup.start().await;
    server.get("/w").await.expect_text(200, "1");
    for _ in 0..2 {
        for name in names {
            server.get(&format!("/{name}")).await.expect_text(200, name);
        }
        assert!(
            loaded(&server, 3).await > 0,
            "those that were called last stay"
        );
    }
    server.get("/w").await.expect_text(200, "2");
    server.restart_with("exec.loaded_idle_ms", 100).await;
    server.get("/a").await.expect_text(200, "a");
    assert_eq!(loaded(&server, 0).await, 0, "nobody called for long");
    server.get("/a").await.expect_text(200, "a");
}

#[tokio::test]
async fn a_component_that_was_evicted_is_made_again() {
    let cache = tempfile::TempDir::new().expect("a folder");
    let setup = Server::with_scripts(&[("a.ts", "return 'a'"), ("b.ts", "return 'b'")])
        .set("server.cache", cache.path().display())
        // Less than one component has: nothing but the engine can stay.
        .set("server.cache_max_bytes", 1000);
    let mut server = setup.start().await;
    for _ in 0..2 {
        for name in ["a", "b"] {
            server.get(&format!("/{name}")).await.expect_text(200, name);
        }
        server.save("a.ts", "return 'a' // again");
        server.logs("published").await;
        server.restart().await;
        for name in ["b", "a"] {
            server.get(&format!("/{name}")).await.expect_text(200, name);
        }
        let kept = names(cache.path());
        let is_shared = |name: &String| {
            let kind = name.split('-').next().unwrap_or_default();
            ["engine", "frame", "image"].contains(&kind)
        };
        assert!(kept.len() == 3 && kept.iter().all(is_shared), "{kept:?}");
        server.save("a.ts", "return 'a'");
    }
}

#[tokio::test]
async fn the_monitor_forgets_scripts_that_are_gone() {
    let server = Server::empty().start().await;
    for path in ["deleted.ts", "moved.ts", "kept.ts"] {
        write(&server, path, "return 1").await;
        server
            .get(&format!("/{}", path.trim_end_matches(".ts")))
            .await
            .expect(200);
    }
    let known = async || {
        let list = get(&server, "monitor/scripts").await.expect(200).json();
        let scripts = list["scripts"].as_array().expect("a list").clone();
        let mut paths: Vec<String> = scripts
            .iter()
            .map(|one| one["scriptPath"].as_str().expect("a path").to_owned())
            .collect();
        paths.sort();
        paths
    };
    assert_eq!(known().await, ["1/deleted.ts", "1/kept.ts", "1/moved.ts"]);
    let delete = "/api/v1/exec/scripts/delete?path=deleted.ts&confirm=true";
    server
        .request(Method::DELETE, delete)
        .as_root()
        .await
        .expect(200);
    let body = json!({ "from": "moved.ts", "to": "there.ts" });
    post(&server, "scripts/move", body).await.expect(200);
    assert_eq!(known().await, ["1/kept.ts"]);
    let gone = post(
        &server,
        "monitor/script-performance",
        json!({ "scriptPath": "1/moved.ts" }),
    );
    assert_eq!(
        gone.await.expect(200).json()["metrics"],
        Value::Object(Default::default())
    );
}

#[tokio::test]
async fn a_file_in_no_deployment_is_told_where_it_belongs() {
    let server = Server::with_script("good.ts", "return 'good'")
        .file("lost.ts", "return 1")
        .file("My Site/index.ts", "return 1")
        .file("tsconfig.json", "{}")
        .start()
        .await;
    server.get("/good").await.expect_text(200, "good");
    server.get("/lost").await.expect(404);
    server
        .logs("`lost.ts` is in no deployment: put it into a folder such as `1/`")
        .await;
    server.logs("`My Site` cannot name a deployment").await;
    assert!(!server.log().contains("tsconfig"), "{}", server.log());
    fs::write(server.scripts().join("late.ts"), "return 1").expect("written");
    server.logs("`late.ts` is in no deployment").await;
    let scripts = server.scripts().display().to_string();
    let checked = run(&["check", &scripts], Path::new("/"), "");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        !checked.status.success() && said.contains("`lost.ts` is in no deployment"),
        "{said}"
    );
}
