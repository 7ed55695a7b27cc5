//! The Web APIs inside the engine: the conformance scripts of `tests/web`, and the
//! Web Platform Tests for URLs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Server, Setup};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web");

/// Every file below a folder, relative to it.
fn files(folder: &Path, below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.join(below)).expect("tests/web is readable") {
        let entry = entry.expect("tests/web is readable");
        let path = below.join(entry.file_name());
        if entry.file_type().expect("tests/web is readable").is_dir() {
            found.extend(files(folder, &path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn scripts() -> Vec<PathBuf> {
    let is_script = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "ts");
    files(Path::new(SCRIPTS), Path::new(""))
        .into_iter()
        .filter(is_script)
        .collect()
}

fn conformance() -> Setup {
    scripts().iter().fold(Server::empty(), |setup, path| {
        let source = std::fs::read(Path::new(SCRIPTS).join(path)).expect("tests/web is readable");
        setup.file(&format!("1/web/{}", path.display()), source)
    })
}

#[tokio::test]
async fn every_conformance_script_passes() {
    let server = conformance().start().await;
    let mut wrong = Vec::new();
    let mut passed = 0;
    for script in scripts()
        .iter()
        .filter(|path| path.components().count() == 1)
    {
        let name = script.with_extension("");
        let answer = server
            .get(&format!("/web/{}", name.display()))
            .await
            .expect(200)
            .json();
        passed += answer["passed"].as_u64().unwrap_or(0);
        for line in answer["failed"]
            .as_array()
            .expect("a conformance script says what failed")
        {
            wrong.push(format!("{}: {line}", name.display()));
        }
        for line in answer["log"].as_array().into_iter().flatten() {
            server
                .logs(
                    line[1]
                        .as_str()
                        .unwrap_or_default()
                        .lines()
                        .next()
                        .unwrap_or_default(),
                )
                .await;
        }
    }
    assert!(
        wrong.is_empty(),
        "{passed} checks hold, but not these:\n{}",
        wrong.join("\n")
    );
    assert!(passed > 500, "only {passed} checks have run");
}

/// The failures are those of the `url` crate itself, all about `file:` URLs and
/// paths that start with two slashes; its own list of them is the limit.
#[tokio::test]
async fn urls_are_as_the_web_platform_tests_want() {
    let wpt = Path::new(SCRIPTS).join("wpt");
    let read =
        |name: &str| std::fs::read_to_string(wpt.join(name)).expect("tests/web/wpt is readable");
    let known = read("expected_failures.txt");
    let known: BTreeSet<&str> = known.lines().collect();
    let server = conformance().start().await;
    for (route, cases, at_least) in [
        ("wpt_url?do=parse", "urltestdata.json", 780),
        ("wpt_url?do=set", "setters_tests.json", 240),
    ] {
        let reply = server
            .post(&format!("/web/routes/{route}"), read(cases))
            .header("content-type", "application/json");
        let answer = reply.await.expect(200).json();
        let failed = answer["failed"]
            .as_array()
            .expect("the script says what failed");
        let new: Vec<&str> = failed
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| !known.contains(name))
            .collect();
        assert!(new.is_empty(), "{cases}: {new:#?}");
        assert!(
            answer["passed"].as_u64() >= Some(at_least),
            "{cases}: {answer}"
        );
    }
}
