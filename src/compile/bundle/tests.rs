//! Small deployments in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const BUNDLE_BYTES_MAX: usize = 5 << 20;

type Deployment<'d> = &'d [(&'d str, &'d str)];

fn bundled(files: Deployment, entry: &str) -> Result<Bundle, Vec<Diagnostic>> {
    let read = |path: &str| {
        let file = files.iter().find(|(name, _)| *name == path);
        Ok(file.map(|(_, text)| (*text).to_owned()))
    };
    bundle(entry, &read, BUNDLE_BYTES_MAX)
}

fn paths(files: Deployment, entry: &str) -> Vec<String> {
    let bundle = bundled(files, entry).unwrap_or_else(|problems| panic!("{}", problems[0]));
    bundle
        .modules
        .into_iter()
        .map(|module| module.path)
        .collect()
}

/// `path:line:column message` of every problem.
fn problems(files: Deployment, entry: &str) -> Vec<String> {
    let problems = bundled(files, entry).expect_err("the deployment is wrong");
    problems
        .iter()
        .map(|p| format!("{}:{}:{} {}", p.path, p.line, p.column, p.message))
        .collect()
}

#[test]
fn modules_name_each_other_by_path() {
    let files: Deployment = &[
        (
            "api/users/[id].ts",
            "import { find } from '../../lib/db'\nimport conf from '../conf.json'\nconst { lazy } = await import('./lazy.js')\nreturn find(conf, lazy)",
        ),
        (
            "lib/db.ts",
            "import type { X } from 'nowhere'\nexport { find } from './find.js'\nexport * from './types'",
        ),
        ("lib/find.ts", "export const find = () => 1"),
        ("lib/types/index.ts", "export interface A {}"),
        (
            "api/conf.json",
            "{ \"__proto__\": [1, \"\u{2028}</script>\"] }",
        ),
        ("api/users/lazy.js", "export const lazy = 1"),
    ];
    let bundle = bundled(files, "api/users/[id].ts").unwrap();
    assert_eq!(bundle.shape, Shape::Body);
    assert_eq!(
        bundle.dependencies().collect::<Vec<_>>(),
        [
            "lib/db.ts",
            "api/conf.json",
            "api/users/lazy.js",
            "lib/find.ts",
            "lib/types/index.ts"
        ]
    );
    insta::assert_snapshot!(bundle.modules[0].code, @r#"
    import { find } from "lib/db.ts";
    import conf from "api/conf.json";
    export default async function(req, res, metadata, shared) {
    	0;
    	const { lazy } = await import("api/users/lazy.js");
    	0;
    	return find(conf, lazy);
    }
    "#);
    insta::assert_snapshot!(bundle.modules[1].code, @r#"
    export { find } from "lib/find.ts";
    export * from "lib/types/index.ts";
    "#);
    assert_eq!(
        bundle.modules[0].imports,
        ["lib/db.ts", "api/conf.json", "api/users/lazy.js"]
    );
    let json = &bundle.modules[2];
    assert_eq!(json.source_map, None);
    assert_eq!(
        json.code,
        "export default JSON.parse(\"{ \\\"__proto__\\\": [1, \\\"\u{2028}</script>\\\"] }\");\n"
    );
}

#[test]
fn the_first_candidate_wins() {
    let table: &[(&str, &[&str], &str)] = &[
        ("./x", &["x.ts", "x.js", "x/index.ts"], "x.ts"),
        ("./x", &["x.js", "x/index.ts"], "x.js"),
        ("./x", &["x/index.ts", "x/index.js"], "x/index.ts"),
        ("./x", &["x/index.js"], "x/index.js"),
        ("./x.js", &["x.js", "x.ts"], "x.js"),
        ("./x.js", &["x.ts"], "x.ts"),
        ("./x.ts", &["x.ts", "x.js"], "x.ts"),
        ("./x.mjs", &["x.mts"], "x.mts"),
        (
            "./x.service",
            &["x.service", "x.service.ts"],
            "x.service.ts",
        ),
        ("./x", &["x.json", "x.ts"], "x.ts"),
        ("./a/../x/.", &["x/index.ts"], "x/index.ts"),
        (".", &["index.ts"], "index.ts"),
    ];
    for (specifier, exist, expected) in table {
        let entry = format!("import '{specifier}'");
        let mut files = vec![("entry.ts", entry.as_str())];
        files.extend(exist.iter().map(|path| (*path, "")));
        assert_eq!(
            paths(&files, "entry.ts"),
            ["entry.ts", expected],
            "{specifier} {exist:?}"
        );
    }
}

#[test]
fn cycles_work() {
    let files: Deployment = &[
        (
            "a.ts",
            "import { b } from './b'\nexport const a = 1\nexport default () => b()",
        ),
        (
            "b.ts",
            "import { a } from './a'\nimport './b'\nexport const b = () => a",
        ),
    ];
    assert_eq!(paths(files, "a.ts"), ["a.ts", "b.ts"]);
    assert_eq!(
        paths(&[("a.ts", "import './a'\nreturn 1")], "a.ts"),
        ["a.ts"]
    );
}

#[test]
fn an_import_that_cannot_be_resolved_is_an_error_with_a_position() {
    let files: Deployment = &[
        (
            "api/a.ts",
            "import './gone'\nimport x from 'lodash'\nimport fs from 'node:fs'\nx, fs\n  export * from '../../x'\nconst y = await import('https://esm.sh/x')\nimport './page.tsx'\nimport '/abs'",
        ),
        ("api/page.tsx", ""),
    ];
    assert_eq!(
        problems(files, "api/a.ts"),
        [
            "api/a.ts:1:8 cannot find `./gone`",
            "api/a.ts:2:15 cannot import `lodash`: only relative imports are supported",
            "api/a.ts:3:16 cannot import `node:fs`: only relative imports are supported",
            "api/a.ts:5:17 `../../x` leads out of the deployment",
            "api/a.ts:7:8 cannot import `./page.tsx`: it is not a `.ts`, `.js` or `.json` file",
            "api/a.ts:8:8 cannot import `/abs`: only relative imports are supported",
            "api/a.ts:6:24 cannot import `https://esm.sh/x`: only relative imports are supported",
        ]
    );
    let problems = bundled(files, "api/a.ts").unwrap_err();
    insta::assert_snapshot!(problems[0], @r"
    api/a.ts:1:8: cannot find `./gone`
    > 1 | import './gone'
        |        ^
      2 | import x from 'lodash'
      3 | import fs from 'node:fs'
    hint: looked for api/gone.ts, api/gone.js, api/gone/index.ts, api/gone/index.js
    ");
    insta::assert_snapshot!(problems[1], @r"
    api/a.ts:2:15: cannot import `lodash`: only relative imports are supported
      1 | import './gone'
    > 2 | import x from 'lodash'
        |               ^
      3 | import fs from 'node:fs'
      4 | x, fs
    hint: packages are not installed; copy the code you need into the deployment and import it with a relative path
    ");
}

#[test]
fn problems_of_several_files_come_together() {
    let files: Deployment = &[
        (
            "a.ts",
            "import './b'\nimport './c'\nimport './d.json'\nreturn 1",
        ),
        ("b.ts", "const = 1"),
        ("c.ts", "\nreturn 2"),
        ("d.json", "{\n  \"ä\": 1,\n}"),
    ];
    assert_eq!(
        problems(files, "a.ts"),
        [
            "b.ts:1:7 unexpected token",
            "c.ts:2:1 a file that is imported cannot `return` at top level",
            "d.json:3:1 invalid JSON: trailing comma",
        ]
    );
}

#[test]
fn json_errors_have_line_and_column() {
    let deep = "[".repeat(200);
    let table = [
        ("", "1:1 invalid JSON: EOF while parsing a value"),
        ("{\"a\": tru}", "1:10 invalid JSON: expected ident"),
        ("{\"ä\": x}", "1:7 invalid JSON: expected value"),
        ("[1,\r\n 2,,]", "2:4 invalid JSON: expected value"),
        ("[1] 2", "1:5 invalid JSON: trailing characters"),
        (
            deep.as_str(),
            "1:128 invalid JSON: recursion limit exceeded",
        ),
    ];
    for (json, expected) in table {
        let files = [("a.ts", "import './x.json'"), ("x.json", json)];
        assert_eq!(
            problems(&files, "a.ts"),
            [format!("x.json:{expected}")],
            "{json}"
        );
    }
    let files = [("a.ts", "import './x.json'"), ("x.json", "\u{FEFF}[1]")];
    assert_eq!(
        bundled(&files, "a.ts").unwrap().modules[1].code,
        "export default JSON.parse(\"[1]\");\n"
    );
}

#[test]
fn what_is_no_script_cannot_be_an_entry() {
    let table = [
        ("a.json", "a.json:1:1 this is not a script"),
        ("a.txt", "a.txt:1:1 this is not a script"),
        ("a.tsx", "a.tsx:1:1 JSX is not supported"),
        ("a.jsx", "a.jsx:1:1 JSX is not supported"),
    ];
    for (path, expected) in table {
        assert_eq!(problems(&[(path, "[]")], path), [expected]);
    }
    assert_eq!(problems(&[], "a.ts"), ["a.ts:1:1 there is no such file"]);
}

#[test]
fn a_file_that_cannot_be_read_is_reported_where_it_is_imported() {
    let read = |path: &str| match path {
        "a.ts" => Ok(Some("\nimport x from './b'\nreturn x".to_owned())),
        "b.ts" => Err(ReadError("it is not UTF-8 at byte 7".to_owned())),
        _ => Ok(None),
    };
    let problems = bundle("a.ts", &read, BUNDLE_BYTES_MAX).unwrap_err();
    insta::assert_snapshot!(problems[0], @r"
    a.ts:2:15: cannot import `./b`: it is not UTF-8 at byte 7
      1 |
    > 2 | import x from './b'
        |               ^
      3 | return x
    hint: mend or replace `b.ts`
    ");
    let problems = bundle("b.ts", &read, BUNDLE_BYTES_MAX).unwrap_err();
    insta::assert_snapshot!(problems[0], @"b.ts:1:1: it is not UTF-8 at byte 7");
}

#[test]
fn every_file_is_read_once() {
    let reads = AtomicUsize::new(0);
    let read = |path: &str| {
        reads.fetch_add(usize::from(path == "b.ts"), Ordering::Relaxed);
        Ok(match path {
            "a.ts" => Some("import './b'; import './c'".to_owned()),
            "b.ts" | "c.ts" => Some("import './b.js'; import './c'".to_owned()),
            _ => None,
        })
    };
    bundle("a.ts", &read, BUNDLE_BYTES_MAX).unwrap();
    assert_eq!(reads.load(Ordering::Relaxed), 1);
}

#[test]
fn decorators_bring_their_helpers() {
    let files: Deployment = &[
        ("a.ts", "class A { @log m(@inject a) {} }\nreturn A"),
        ("b.ts", ""),
    ];
    let bundle = bundled(files, "a.ts").unwrap();
    let names: Vec<&str> = bundle
        .modules
        .iter()
        .map(|module| module.path.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "a.ts",
            "typescript:runtime/helpers/decorateParam",
            "typescript:runtime/helpers/decorate"
        ]
    );
    assert_eq!(bundle.dependencies().count(), 0);
    assert!(
        bundle.modules[2]
            .code
            .contains("export default function decorate(")
    );
}

#[test]
fn the_number_of_modules_is_limited() {
    let chain = |length: usize| {
        let read = move |path: &str| {
            let number: Option<usize> = path.strip_suffix(".ts").and_then(|n| n.parse().ok());
            Ok(number.map(|n| {
                if n + 1 < length {
                    format!("import './{}'", n + 1)
                } else {
                    String::new()
                }
            }))
        };
        bundle("0.ts", &read, BUNDLE_BYTES_MAX)
    };
    assert_eq!(chain(MODULES_MAX).unwrap().modules.len(), MODULES_MAX);
    let problems = chain(MODULES_MAX + 1).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].message,
        "with its imports the script has more than 512 modules"
    );
}

#[test]
fn the_size_of_a_bundle_is_limited() {
    let largest = format!(
        "[{}]",
        " ".repeat(BUNDLE_BYTES_MAX - 2 - "import './x.json'".len())
    );
    let sized = |json: &str| bundled(&[("a.ts", "import './x.json'"), ("x.json", json)], "a.ts");
    assert!(sized(&largest).is_ok());
    let problems = sized(&format!("{largest} ")).unwrap_err();
    assert_eq!(problems[0].path, "x.json");
    assert_eq!(
        problems[0].message,
        "with this file the script has more than 5242880 bytes; import less, or raise limits.bundle_bytes"
    );
}
