//! Stacks as the engine prints them. The positions in them were read off
//! QuickJS running this very code.

use super::*;

const BUNDLE_BYTES_MAX: usize = 5 << 20;
use crate::compile::bundle::bundle;

fn maps(files: &[(&str, &str)]) -> SourceMaps {
    let read = |path: &str| {
        Ok(files
            .iter()
            .find(|(name, _)| *name == path)
            .map(|(_, text)| (*text).to_owned()))
    };
    let bundle = bundle(files[0].0, &read, BUNDLE_BYTES_MAX)
        .unwrap_or_else(|problems| panic!("{}", problems[0]));
    SourceMaps::of(&bundle)
}

const ENTRY: &str = r#"import { check } from "../../lib/check";
interface Args { id: string }

const { id } = metadata.parameters as unknown as Args;
const überflüssig = "日本"; check(id);
function boom(): never {
  const a: number = 1; throw new TypeError("no user " + id);
}
boom();
"#;
const CHECK: &str = r#"type Id = string;
export const check = (id: Id) => { if (id.length > 3) throw new RangeError("too long"); };
"#;

fn example() -> SourceMaps {
    maps(&[("api/users/[id].ts", ENTRY), ("lib/check.ts", CHECK)])
}

/// The words that a location's line has from its column on.
fn text_at<'s>(source: &'s str, location: &Location) -> &'s str {
    let line = source_line(source, location.line);
    let (start, _) = line
        .char_indices()
        .nth(location.column as usize - 1)
        .unwrap();
    &line[start..]
}

#[test]
fn frames_become_positions_in_the_sources() {
    let stack = "    at boom (api/users/[id].ts:9:36)
    at default (api/users/[id].ts:11:2)
    at <anonymous> (main.mjs:1:93)
";
    insta::assert_snapshot!(example().map_stack(stack), @r"
    at boom (api/users/[id].ts:7:57)
    at default (api/users/[id].ts:9:1)
    ");
    let stack = "RangeError: too long
    at check (lib/check.ts:3:31)
    at default (api/users/[id].ts:6:8)
    at api/users/[id].ts:6:8
    at map (native)
    at native
";
    insta::assert_snapshot!(example().map_stack(stack), @r"
    RangeError: too long
        at check (lib/check.ts:2:65)
        at default (api/users/[id].ts:5:33)
        at api/users/[id].ts:5:33
    ");
}

#[test]
fn the_first_frame_is_shown_with_its_source() {
    let maps = example();
    let stack = "    at get (native)\n    at check (lib/check.ts:3:31)\n    at default (api/users/[id].ts:6:8)\n";
    let location = maps.first_frame(stack).unwrap();
    assert_eq!((location.path.as_str(), location.line), ("lib/check.ts", 2));
    assert!(
        text_at(CHECK, &location).starts_with("RangeError"),
        "{location:?}"
    );
    insta::assert_snapshot!(maps.code_frame(&location).unwrap(), @r#"
      1 | type Id = string;
    > 2 | export const check = (id: Id) => { if (id.length > 3) throw new RangeError("too long"); };
        |                                                                 ^
    "#);
}

#[test]
fn columns_are_bytes_in_the_engine_and_characters_here() {
    // On one line of the generated code: an umlaut, kanji and an emoji.
    let source = "return f('ü', '日本', '😀', g(1), h(2))";
    let maps = maps(&[("a.ts", source)]);
    let generated = "\treturn f(\"ü\", \"日本\", \"😀\", g(1), h(2));";
    for name in ["g(", "h("] {
        let column = generated.find(name).unwrap() + 1;
        let stack = format!("    at default (a.ts:3:{column})");
        let location = maps.first_frame(&stack).unwrap();
        assert!(
            text_at(source, &location).starts_with(name),
            "{name} {location:?}"
        );
    }
}

#[test]
fn the_first_line_counts_its_columns_from_zero() {
    let source = "export const f = () => fail();\nexport const g = () => fail();\n";
    let maps = maps(&[("a.ts", source)]);
    let column = source.find("fail").unwrap();
    for (line, engine_column) in [(1, column), (2, column + 1)] {
        let location = maps
            .first_frame(&format!("    at a.ts:{line}:{engine_column}"))
            .unwrap();
        assert_eq!(
            (location.line, location.column as usize),
            (line, column + 1)
        );
    }
}

#[test]
fn paths_may_contain_what_separates_frames() {
    let path = "a (b)/c:1:2 (d).ts";
    let maps = maps(&[(path, "\n\nfail()")]);
    for (frame, name) in [
        (format!("    at {path}:2:2"), ""),
        (format!("    at f ({path}:2:2)"), "f "),
        (format!("    at f (g) ({path}:2:2)"), "f (g) "),
    ] {
        let mapped = maps.map_stack(&frame);
        assert!(mapped.starts_with(&format!("    at {name}")), "{mapped}");
        assert_eq!(
            maps.first_frame(&frame).unwrap(),
            Location {
                path: path.to_owned(),
                line: 3,
                column: 1
            }
        );
    }
}

#[test]
fn whatever_is_thrown_as_a_stack_is_survived() {
    let maps = example();
    let frames = [
        "",
        "at",
        "    at ",
        "    at :",
        "    at ::",
        "    at (::)",
        "    at lib/check.ts",
        "    at lib/check.ts:1",
        "    at lib/check.ts:0:0",
        "    at lib/check.ts:1:-1",
        "    at lib/check.ts:99999999999:1",
        "    at lib/check.ts:4294967295:4294967295",
        "    at x (lib/check.ts:2:1",
        "    at (lib/check.ts:4000:1)",
        "    at 日本 (日本:1:1)",
    ];
    for frame in frames {
        assert_eq!(maps.first_frame(frame), None, "{frame}");
    }
    let endless = "    at check (lib/check.ts:3:31)\n".repeat(100_000);
    assert_eq!(maps.map_stack(&endless).lines().count(), STACK_LINES_MAX);
    assert_eq!(SourceMaps::default().map_stack("    at x (a.ts:1:1)\n"), "");
}

#[test]
fn maps_are_kept_as_json() {
    let maps = example();
    let json = serde_json::to_string(&maps).unwrap();
    assert_eq!(serde_json::from_str::<SourceMaps>(&json).unwrap(), maps);
    assert!(json.starts_with("{\"api/users/[id].ts\":\"{"));
}
