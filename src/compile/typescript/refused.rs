//! What does not compile, and what is said about it.

use super::tests::entry;
use super::*;

/// `line:column message` of every problem.
fn problems(path: &str, source: &str) -> Vec<String> {
    let problems = entry(path, source).expect_err("the source is wrong");
    problems
        .iter()
        .map(|p| format!("{}:{} {}", p.line, p.column, p.message))
        .collect()
}

#[test]
fn errors_have_line_and_column() {
    let table: &[(&str, &str, &[&str])] = &[
        ("x.ts", "const a = ;", &["1:11 unexpected token"]),
        (
            "x.ts",
            "\n\n  let let = 1",
            &["3:7 the keyword 'let' is reserved"],
        ),
        (
            "x.ts",
            "const ü = '日本'; const a = ;",
            &["1:27 unexpected token"],
        ),
        ("x.ts", "return {", &["1:9 expected `}` but found `EOF`"]),
        (
            "x.ts",
            "const a = 1; const a = 2",
            &["1:20 identifier `a` has already been declared"],
        ),
        (
            "x.ts",
            "export default function () { break }",
            &["1:30 illegal break statement"],
        ),
        (
            "x.ts",
            "import fs = require('fs'); fs()",
            &["1:1 import assignment cannot be used when targeting ECMAScript modules"],
        ),
        (
            "x.ts",
            "export = 1",
            &["1:1 export assignment cannot be used when targeting ECMAScript modules"],
        ),
        (
            "x.js",
            "const a: number = 1",
            &["1:7 types are only understood in `.ts` files"],
        ),
        (
            "x.ts",
            "const r = /[\\p{L}--[a-z]]/v",
            &["1:11 regular expressions with the flag `v` are not supported"],
        ),
        (
            "x.ts",
            "const r = require('lodash')",
            &["1:11 `require` knows no `lodash`"],
        ),
        (
            "x.ts",
            "import defer * as a from './a'; a.b",
            &["1:1 `import defer` and `import source` are not supported"],
        ),
        ("x.ts", "x = \"abc\nd\"", &["1:5 unterminated string"]),
        ("x.ts", "x = `abc", &["1:5 unterminated string"]),
        ("x.ts", "/* abc", &["1:1 unterminated multiline comment"]),
        ("x.ts", "\0", &["1:1 invalid Character `\0`"]),
        (
            "x.ts",
            "namespace A { export let x = 1 }",
            &["1:26 a namespace can export constants, functions and classes, but no variables"],
        ),
        (
            "x.js",
            "with (a) {}",
            &["1:1 'with' statements are not allowed"],
        ),
    ];
    for (path, source, expected) in table {
        assert_eq!(problems(path, source), *expected, "{source}");
    }
}

#[test]
fn jsx_is_named_as_such() {
    let table = [
        ("export default () => <div>hi</div>", "1:22"),
        (
            "export default function () {\n  return (\n    <App a=\"b\" />\n  )\n}",
            "3:5",
        ),
        ("const a = b && <></>", "1:16"),
        ("return <ul>{items.map(i => <li>{i}</li>)}</ul>", "1:8"),
    ];
    for (source, position) in table {
        for path in ["x.ts", "x.js"] {
            assert_eq!(
                problems(path, source),
                [format!("{position} JSX is not supported")]
            );
        }
    }
    // Not JSX, and not an error either.
    assert!(
        entry(
            "x.ts",
            "const a = <T,>(x: T) => x; const b = <any>c; return '</div>'"
        )
        .is_ok()
    );
    // An error, but not because of JSX.
    assert_eq!(
        problems("x.ts", "const a = ;\nconst b = '<div></div>'"),
        ["1:11 unexpected token"]
    );
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let largest = format!("//{}", "a".repeat(SOURCE_BYTES_MAX - 2));
    assert!(entry("x.ts", &largest).is_ok());
    assert_eq!(
        problems("x.ts", &format!("{largest}a")),
        ["1:1 the file has 1048577 bytes, more than the 1048576 that are allowed"]
    );
}

#[test]
fn languages_by_extension() {
    let table = [
        ("a.ts", Some(Language::TypeScript)),
        ("a/b.mts", Some(Language::TypeScript)),
        ("a.js", Some(Language::JavaScript)),
        ("[...slug].ts", Some(Language::TypeScript)),
        ("a.tsx", None),
        ("a.jsx", None),
        ("a.json", None),
        ("ts", None),
        ("", None),
    ];
    for (path, expected) in table {
        assert_eq!(Language::of(path), expected, "{path}");
    }
}
