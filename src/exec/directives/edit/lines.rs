//! From the values that lines shall have to the changed text.

use std::ops::Range;

use crate::exec::directives::block::{self, Block, DirectiveLine};
use crate::exec::directives::fields::Field;

/// Changes to a source text, by the bytes of its lines.
#[derive(Default)]
pub struct Edits {
    replaced: Vec<(Range<usize>, String)>,
    added: Vec<String>,
}

impl Edits {
    /// Keeps the lines that have a wanted value, gives new values to the others
    /// as far as there are some, takes out the rest.
    pub fn change(&mut self, field: &Field, present: &[DirectiveLine<'_>], wanted: &[String]) {
        let mut missing: Vec<&String> = wanted.iter().collect();
        let mut free = Vec::new();
        for line in present {
            match missing.iter().position(|text| *text == line.value) {
                Some(at) => {
                    missing.remove(at);
                }
                None => free.push(line),
            }
        }
        let mut missing = missing
            .into_iter()
            .map(|text| format!("// @{} {text}", field.name));
        for line in free {
            match missing.next() {
                Some(text) => self.replaced.push((line.line.inner(), text)),
                None => self.replaced.push((line.line.whole(), String::new())),
            }
        }
        self.added.extend(missing);
    }

    pub fn applied_to(mut self, source: &str, block: &Block<'_>) -> String {
        let ending = block::lines(source)
            .next()
            .map(|line| line.ending)
            .filter(|ending| !ending.is_empty());
        let ending = ending.unwrap_or("\n");
        let place = block
            .directives
            .last()
            .map_or(block.top, |line| line.line.whole().end);
        self.replaced.push((place..place, String::new()));
        self.replaced.sort_by_key(|(at, _)| (at.start, at.end));
        let mut text = String::with_capacity(source.len());
        let mut done = 0;
        for (at, with) in self.replaced {
            text.push_str(&source[done..at.start]);
            text.push_str(&with);
            if at == (place..place) {
                add_lines(&mut text, &self.added, ending);
            }
            done = at.end;
        }
        text.push_str(&source[done..]);
        text
    }
}

/// Adds lines where a line can start, and starts one if need be.
fn add_lines(text: &mut String, lines: &[String], ending: &str) {
    if !lines.is_empty() && !block::ends_a_line(text) {
        text.push_str(ending);
    }
    for line in lines {
        text.push_str(line);
        text.push_str(ending);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::exec::directives::edit::{Edited, apply};

    fn edit(source: &str, changes: Value) -> Edited {
        apply(source, changes.as_object().unwrap()).unwrap()
    }

    #[test]
    fn lines_are_set_added_and_removed() {
        let cases = [
            (
                "// @mode worker\nx",
                json!({"mode": "serverless"}),
                "// @mode serverless\nx",
            ),
            (
                "//@mode worker  \nx",
                json!({"mode": "worker"}),
                "//@mode worker  \nx",
            ),
            ("x", json!({"mode": "worker"}), "// @mode worker\nx"),
            ("", json!({"mode": "worker"}), "// @mode worker\n"),
            ("#!/x", json!({"rawBody": true}), "#!/x\n// @rawBody true\n"),
            (
                "\u{feff}x\r\ny",
                json!({"ai": true}),
                "\u{feff}// @ai true\r\nx\r\ny",
            ),
            (
                "// words\n// @ai true\n// more\nx",
                json!({"timeout": 5000}),
                "// words\n// @ai true\n// @timeout 5000\n// more\nx",
            ),
            (
                "// @ai true",
                json!({"@log-level": "none"}),
                "// @ai true\n// @log-level none\n",
            ),
            (
                "// @ai true\n// @mode worker\nx",
                json!({"ai": null}),
                "// @mode worker\nx",
            ),
            (
                "// @ai true",
                json!({"ai": null, "mode": "worker"}),
                "// @mode worker\n",
            ),
            (
                "// @mode a\n// x\n// @mode b\ny",
                json!({"mode": "worker"}),
                "// @mode worker\n// x\ny",
            ),
            ("x", json!({"label": null}), "x"),
            (
                "x",
                json!({"tags": ["a", "b c"], "corsMaxAge": 60}),
                "// @tags a, b c\n// @cors-max-age 60\nx",
            ),
            (
                "x",
                json!({"description": " \"*/ ` ${x} "}),
                "// @description \"*/ ` ${x}\nx",
            ),
            (
                "return 1\n// @mode worker",
                json!({"mode": "worker"}),
                "// @mode worker\nreturn 1\n// @mode worker",
            ),
        ];
        for (source, changes, expected) in cases {
            assert_eq!(
                edit(source, changes.clone()).source,
                expected,
                "{source:?} {changes}"
            );
        }
    }

    /// Lines as they stand at the top of real files, and some that do not.
    fn source() -> impl Strategy<Value = String> {
        let line = prop::sample::select(vec![
            "// @mode worker",
            "//@mode  serverless ",
            "// @mode nonsense",
            "// @timeout 5s",
            "// @token A note",
            "// @token B",
            "// @token",
            "// @label x",
            "// words",
            "",
            "/* block",
            "*/",
            "/* one */",
            "let x = 1;",
        ]);
        let ending = prop::sample::select(vec!["\n", "\r\n", "\r", "\u{2028}", "\n"]);
        let start = prop::sample::select(vec!["", "\u{feff}", "#!/bin/x\n", "#!x\r\n"]);
        (
            start,
            prop::collection::vec((line, ending), 0..10),
            any::<bool>(),
        )
            .prop_map(|(start, lines, cut)| {
                let text = lines
                    .iter()
                    .flat_map(|(line, ending)| [*line, *ending])
                    .collect::<String>();
                let text = format!("{start}{text}");
                if cut {
                    text.trim_end_matches(['\n', '\r', '\u{2028}']).to_owned()
                } else {
                    text
                }
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn an_edit_does_what_it_says_and_no_more(
            source in source(),
            mode in prop::sample::select(vec![json!("worker"), json!("serverless"), json!(null)]),
            timeout in prop::sample::select(vec![json!(7000), json!("5s"), json!(null)]),
            tokens in prop::sample::select(vec![json!(["A", "C"]), json!(["B"]), json!(null)]),
        ) {
            let changes = json!({"mode": mode, "timeout": timeout, "token": tokens});
            let edited = edit(&source, changes.clone());
            // The directives are as they were asked for.
            prop_assert_eq!(edited.updated.get("mode").cloned().unwrap_or_default(), mode);
            let milliseconds = if timeout == json!("5s") { json!(5000) } else { timeout };
            prop_assert_eq!(edited.updated.get("timeout").cloned().unwrap_or_default(), milliseconds);
            let shown = edited.updated.get("token").and_then(Value::as_array).map_or(0, Vec::len);
            prop_assert_eq!(shown, tokens.as_array().map_or(0, Vec::len));
            prop_assert_eq!(edited.updated.get("label"), edited.previous.get("label"));
            // All other lines are there, in order.
            let others = |source: &str| -> Vec<String> {
                let block = block::read(source);
                let named = |line: &DirectiveLine<'_>| ["mode", "timeout", "token"].contains(&line.name);
                let gone: Vec<usize> = block.directives.iter().filter(|line| named(line)).map(|line| line.line.number).collect();
                block::lines(source).filter(|line| !gone.contains(&line.number)).map(|line| line.text.to_owned()).collect()
            };
            let bare = |lines: Vec<String>| lines.iter().map(|line| line.replace('\u{feff}', "")).filter(|line| !line.is_empty()).collect::<Vec<_>>();
            prop_assert_eq!(bare(others(&edited.source)), bare(others(&source)));
            prop_assert_eq!(edited.source.find('\u{feff}'), source.find('\u{feff}'));
            prop_assert_eq!(edited.source.find("#!"), source.find("#!"));
            // Doing it again changes nothing.
            let again = edit(&edited.source, changes);
            prop_assert_eq!(&again.source, &edited.source);
            prop_assert_eq!(again.changes, vec![]);
        }
    }
}
