//! Models put code into Markdown fences, some after thinking aloud. This takes it out;
//! whether it is code, the compiler decides.

use std::borrow::Cow;

/// The code in a model's answer: what is inside its longest fence, after directives
/// that stand before the answer; the text itself when it has no fence. What is between
/// `<think>` and `</think>` at its beginning is no part of it.
pub fn strip(text: &str) -> Cow<'_, str> {
    let Some((directives, answer)) = after_thoughts(text) else {
        return unfenced(text);
    };
    Cow::Owned(format!("{directives}{}", unfenced(answer)))
}

/// The directives before an answer that begins with thoughts, and what comes after those.
fn after_thoughts(text: &str) -> Option<(&str, &str)> {
    let directives = text
        .split_inclusive('\n')
        .take_while(|line| is_directive(line));
    let (directives, answer) = text.split_at(directives.map(str::len).sum());
    let thoughts = answer.trim_start().strip_prefix("<think>")?;
    let (_, answer) = thoughts.split_once("</think>")?;
    Some((directives, answer.trim_start()))
}

fn is_directive(line: &str) -> bool {
    line.trim_start().starts_with("// @")
}

fn unfenced(text: &str) -> Cow<'_, str> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut longest: Option<(usize, usize)> = None;
    let mut at = 0;
    while at < lines.len() {
        let Some(fence) = opening(lines[at]) else {
            at += 1;
            continue;
        };
        let close = lines[at + 1..]
            .iter()
            .position(|line| is_closing(line, fence));
        // An answer that was cut has no closing fence.
        let end = close.map_or(lines.len(), |close| at + 1 + close);
        if longest.is_none_or(|(start, stop)| end - at - 1 > stop - start) {
            longest = Some((at + 1, end));
        }
        at = end + 1;
    }
    let Some((start, end)) = longest else {
        return Cow::Borrowed(text);
    };
    let directives = lines[..start - 1]
        .iter()
        .take_while(|line| is_directive(line));
    Cow::Owned(directives.chain(&lines[start..end]).copied().collect())
}

/// The fence that a line opens.
fn opening(line: &str) -> Option<&str> {
    let line = line.trim();
    let marks = ['`', '~'].into_iter().find_map(|mark| {
        let length = line.len() - line.trim_start_matches(mark).len();
        (length >= 3).then_some(length)
    })?;
    let (fence, info) = line.split_at(marks);
    // `` ```js `` opens one; `` ```a``` `` is a piece of code in a sentence.
    (!info.contains('`')).then_some(fence)
}

fn is_closing(line: &str, fence: &str) -> bool {
    let line = line.trim();
    line.starts_with(fence) && line.trim_start_matches(&fence[..1]).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_go_and_code_stays() {
        let cases = [
            ("return 1;", "return 1;"),
            ("```js\nreturn 1;\n```", "return 1;\n"),
            ("```\nreturn 1;\n```\n", "return 1;\n"),
            ("~~~ts\nreturn 1;\n~~~", "return 1;\n"),
            ("Here you go:\n```js\nreturn 1;\n```\nEnjoy!", "return 1;\n"),
            (
                "```sh\nls\n```\n```js\nconst a = 1;\nreturn a;\n```",
                "const a = 1;\nreturn a;\n",
            ),
            (
                "// @mode serverless\n```js\nreturn 1;\n```",
                "// @mode serverless\nreturn 1;\n",
            ),
            ("```js\nreturn 1;", "return 1;"),
            ("```js\r\nreturn 1;\r\n```\r\n", "return 1;\r\n"),
            ("````md\n```js\nx\n```\n````", "```js\nx\n```\n"),
            (
                "const a = `x`;\nreturn `${a}`;",
                "const a = `x`;\nreturn `${a}`;",
            ),
            ("Use ```x``` for it.", "Use ```x``` for it."),
            ("<think>\nReturn 1?\n</think>\n\nreturn 1;", "return 1;"),
            (
                "// @mode serverless\n<think>\n```js\nreturn 0;\n```\n</think>\n```js\nreturn 1;\n```",
                "// @mode serverless\nreturn 1;\n",
            ),
            ("return '<think>';", "return '<think>';"),
            ("<think>for ever", "<think>for ever"),
            ("", ""),
        ];
        for (text, code) in cases {
            assert_eq!(strip(text), code, "{text:?}");
        }
    }
}
