//! The filters of `scripts/list`.

use serde_json::{Map, Value, json};

use super::listing::ListQuery;
use crate::api::error::ApiError;
use crate::exec::script::Script;
use crate::model::directives::{Mode, Remote};

/// Which scripts are wanted.
pub struct Filters {
    /// As they were given.
    pub shown: Map<String, Value>,
    path: Option<String>,
    label: Option<String>,
    tags: Vec<String>,
    mode: Option<Mode>,
    enabled: Option<bool>,
    websocket: Option<bool>,
    remote: Option<fn(&Remote) -> bool>,
}

impl Filters {
    pub fn of(query: &ListQuery) -> Result<Self, ApiError> {
        let shown = json!({
            "filter": query.filter, "label": query.label, "tags": query.tags, "mode": query.mode,
            "enabled": query.enabled, "websocket": query.websocket, "remote": query.remote,
        });
        let shown = shown.as_object().cloned().unwrap_or_default();
        let mode = query.mode.as_deref().map(|name| {
            let error =
                || ApiError::bad_request(format!("mode must be one of {}", Mode::NAMES.join(", ")));
            Mode::from_name(name).ok_or_else(error)
        });
        let tags = query.tags.iter().flat_map(|tags| tags.split(','));
        Ok(Self {
            shown: shown
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .collect(),
            path: query.filter.as_ref().map(|filter| filter.to_lowercase()),
            label: query.label.clone(),
            tags: tags
                .map(|tag| tag.trim().to_owned())
                .filter(|tag| !tag.is_empty())
                .collect(),
            mode: mode.transpose()?,
            enabled: query.enabled,
            websocket: query.websocket,
            remote: query.remote.as_deref().map(remote).transpose()?,
        })
    }

    /// Whether only scripts can pass.
    pub fn about_scripts(&self) -> bool {
        self.shown.keys().any(|name| name != "filter")
    }

    pub fn admit(&self, path: &str, script: Option<&Script>) -> bool {
        let path = path.to_lowercase();
        let fits = |filter: &String| match filter.contains(['*', '?']) {
            true => glob(filter, &path),
            false => path.contains(filter.as_str()),
        };
        if !self.path.as_ref().is_none_or(fits) {
            return false;
        }
        let Some(script) = script else {
            return !self.about_scripts();
        };
        let directives = &script.directives;
        let remote = self.remote.is_none_or(|wanted| wanted(&directives.remote));
        self.label
            .as_ref()
            .is_none_or(|label| directives.label.as_ref() == Some(label))
            && self.tags.iter().all(|tag| directives.tags.contains(tag))
            && self.mode.is_none_or(|mode| directives.mode == mode)
            && self
                .enabled
                .is_none_or(|enabled| directives.enabled == enabled)
            && self
                .websocket
                .is_none_or(|websocket| directives.websocket.enabled == websocket)
            && remote
    }
}

fn remote(name: &str) -> Result<fn(&Remote) -> bool, ApiError> {
    match name {
        "any" => Ok(|remote| remote.messages || remote.call || remote.eval),
        "none" => Ok(|remote| !remote.messages && !remote.call && !remote.eval),
        "messages" => Ok(|remote| remote.messages),
        "call" => Ok(|remote| remote.call),
        "eval" => Ok(|remote| remote.eval),
        _ => Err(ApiError::bad_request(
            "remote must be one of any, none, messages, call, eval",
        )),
    }
}

/// Whether a text fits a pattern of `*` (any text) and `?` (one character).
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(one) if *one == '?' || *one == text[from] => (at, from) = (at + 1, from + 1),
            _ => {
                // The last `*` takes one character more.
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                (at, from) = (star_at + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|one| *one == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let fits = [
            ("*", ""),
            ("*.ts", "a/b.ts"),
            ("a/?.ts", "a/b.ts"),
            ("*b*", "abc"),
            ("a*b*c", "aXbYbZc"),
        ];
        for (pattern, text) in fits {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("?", ""),
            ("*.ts", "a.js"),
            ("a?c", "ac"),
            ("a*b", "abc"),
            ("", "a"),
        ] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }
}
