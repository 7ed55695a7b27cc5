//! `process.env` of a script: every `_default.env` from the deployment's root
//! down to the script's folder, then `<name>.env` beside it; the nearest wins.
//! The server's own environment is never part of it: it holds the server's secrets.

use std::collections::BTreeMap;

use super::folder::Folder;
use crate::model::script::ScriptPath;

/// All names and values of one script together.
pub const ENVIRONMENT_BYTES_MAX: usize = 64 << 10;

/// Reads the files; one that is missing or no text counts as empty.
pub fn of_script(folder: &Folder, path: &ScriptPath) -> Vec<(String, String)> {
    let mut variables = BTreeMap::new();
    for file in files(path.relative()) {
        let Ok(file) = ScriptPath::in_deployment(path.exec_id(), &file) else {
            continue;
        };
        if let Ok(text) = folder.read(&file) {
            variables.extend(parse(&text));
        }
    }
    let mut size = 0;
    variables
        .into_iter()
        .take_while(|(name, value)| {
            size += name.len() + value.len();
            size <= ENVIRONMENT_BYTES_MAX
        })
        .collect()
}

/// The files that count for a script, the nearest last.
pub fn files(relative: &str) -> Vec<String> {
    let mut files = vec!["_default.env".to_owned()];
    for (at, _) in relative.match_indices('/') {
        files.push(format!("{}/_default.env", &relative[..at]));
    }
    let stem = relative.rsplit_once('.').map_or(relative, |(stem, _)| stem);
    files.push(format!("{stem}.env"));
    files
}

/// `NAME=value` lines; `#` starts a comment line, `export ` in front is allowed,
/// quotes around a value go away, and `\n` means a line end within double quotes.
fn parse(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fits) {
        return None;
    }
    let value = value.trim();
    let quoted = |quote: char| {
        value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
    };
    let value = match (quoted('"'), quoted('\'')) {
        (Some(inner), _) => inner
            .replace("\\n", "\n")
            .replace("\\\"", "\"")
            .replace("\\\\", "\\"),
        (_, Some(inner)) => inner.to_owned(),
        _ => value
            .split(" #")
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned(),
    };
    Some((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let table = [
            ("A=1", Some(("A", "1"))),
            ("export A = two words # comment", Some(("A", "two words"))),
            ("A=\"x\\ny\"", Some(("A", "x\ny"))),
            ("A='x\\ny'", Some(("A", "x\\ny"))),
            ("A=", Some(("A", ""))),
            ("A=b=c", Some(("A", "b=c"))),
            ("# A=1", None),
            ("no equals sign", None),
            ("SPA CE=1", None),
            ("", None),
        ];
        for (line, expected) in table {
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(parse_line(line), expected, "{line}");
        }
    }

    #[test]
    fn nearest_last() {
        let expected = [
            "_default.env",
            "api/_default.env",
            "api/users/_default.env",
            "api/users/[id].env",
        ];
        assert_eq!(files("api/users/[id].ts"), expected);
        assert_eq!(files("x.ts"), ["_default.env", "x.env"]);
    }
}
