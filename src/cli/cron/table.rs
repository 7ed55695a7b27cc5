//! Tables for people.

use serde_json::Value;

/// What a table shows of a long text, in characters.
const TEXT_CHARS: usize = 48;

pub fn entries(entries: &[Value]) -> String {
    let mut rows = vec![row([
        "ID", "SCHEDULE", "ZONE", "NEXT RUN", "ENABLED", "COMMAND", "NAME",
    ])];
    for entry in entries {
        // A comment or a variable of a crontab.
        if entry["type"] == "raw" && entry["id"].is_null() {
            rows.push(row(["-", "", "", "", "", &text(&entry["line"]), ""]));
            continue;
        }
        let enabled = if entry["enabled"] == true {
            "yes"
        } else {
            "no"
        };
        rows.push(row([
            &text(&entry["id"]),
            &text(&entry["schedule"]),
            &text(&entry["timezone"]),
            &text(&entry["next_run"]),
            enabled,
            &text(&entry["command"]),
            &text(&entry["name"]),
        ]));
    }
    aligned(&rows)
}

pub fn runs(runs: &[Value]) -> String {
    let mut rows = vec![row([
        "DUE", "OUTCOME", "TRIGGER", "TOOK", "STATUS", "TRIES", "COMMAND", "ERROR",
    ])];
    for run in runs {
        let took = run["duration_ms"].as_i64().map(|took| format!("{took} ms"));
        let status = match run["status"].is_null() {
            true => &run["exit_code"],
            false => &run["status"],
        };
        rows.push(row([
            &text(&run["scheduled_at"]),
            &text(&run["outcome"]),
            &text(&run["trigger"]),
            &took.unwrap_or_default(),
            &text(status),
            &text(&run["attempt"]),
            &text(&run["command"]),
            &text(&run["error"]),
        ]));
    }
    aligned(&rows)
}

/// A run with its output.
pub fn run(run: &Value) -> String {
    let mut shown = runs(std::slice::from_ref(run));
    for part in ["first", "last"] {
        if let Some(output) = run["output"][part]
            .as_str()
            .filter(|output| !output.is_empty())
        {
            shown.push_str(output.trim_end());
            shown.push('\n');
        }
    }
    shown
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

/// A value on one line, without signs that a terminal would obey.
fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let clean = |sign: char| if sign.is_control() { ' ' } else { sign };
    match text.chars().count() > TEXT_CHARS {
        true => text
            .chars()
            .take(TEXT_CHARS - 1)
            .map(clean)
            .chain(['…'])
            .collect(),
        false => text.chars().map(clean).collect(),
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}  ", width = *width))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
