//! Configuration: flags over variables over one TOML file, parsed once into
//! plain values. Nothing else reads the environment or the file.
//!
//! Every key `part.name` can also be set as `FOOTPATH_PART_NAME`. An unknown key
//! or variable is an error that names the nearest known one. This module must
//! not know what the parts do with their settings.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

mod error;
mod sections;
mod setting;

pub use error::ConfigError;
pub use sections::{Acme, Ai, Auth, Author, Cron, Egress, Exec, Limits, Log, Proxy, Server};
pub use setting::Secret;

use error::nearest;
use sections::{Input, Section};

const VARIABLE_PREFIX: &str = "FOOTPATH_";
/// Names the file; a flag for it wins.
const FILE_VARIABLE: &str = "FOOTPATH_CONFIG";
/// Short names of variables and the keys they set. They win over the long ones.
const SHORT_VARIABLES: [(&str, &str); 1] = [("FOOTPATH_TOKEN", "auth.token")];

/// All settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    pub server: Server,
    pub limits: Limits,
    pub log: Log,
    pub egress: Egress,
    pub exec: Exec,
    pub cron: Cron,
    pub auth: Auth,
    pub ai: Ai,
    pub proxy: Proxy,
    pub author: Author,
    pub acme: Acme,
}

/// Where settings come from, strongest first.
#[derive(Debug, Clone, Default)]
pub struct Sources<'a> {
    /// Keys such as `server.http` with the text the user typed.
    pub flags: Vec<(&'static str, String)>,
    /// The environment. Names without `FOOTPATH_` or `OPENAI_` do not matter.
    pub variables: BTreeMap<String, String>,
    /// The configuration file: its path, for messages, and its text.
    pub file: Option<(&'a Path, &'a str)>,
}

impl Config {
    /// The file named by the flag, else by `FOOTPATH_CONFIG`.
    pub fn file(flag: Option<PathBuf>, variables: &BTreeMap<String, String>) -> Option<PathBuf> {
        let variable = variables.get(FILE_VARIABLE).filter(|path| !path.is_empty());
        flag.or_else(|| variable.map(PathBuf::from))
    }

    /// Reads the file, if there is one, and puts everything together. `sources.file` is ignored.
    pub fn load(file: Option<&Path>, sources: Sources<'_>) -> Result<Config, ConfigError> {
        let Some(path) = file else {
            return Config::parse(&Sources {
                file: None,
                ..sources
            });
        };
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Config::parse(&Sources {
            file: Some((path, &text)),
            flags: sources.flags,
            variables: sources.variables,
        })
    }

    /// Puts everything together: defaults, then file, then variables, then flags.
    pub fn parse(sources: &Sources<'_>) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        if let Some((path, text)) = sources.file {
            config.apply_file(path, text)?;
        }
        config.apply_variables(&sources.variables)?;
        for (key, text) in &sources.flags {
            config.set(key, &Input::Text(text), &format!("the flag for {key}"))?;
        }
        config.apply_fallbacks(&sources.variables);
        config.check()?;
        Ok(config)
    }

    /// All keys with their explanations and these values, as a TOML file.
    pub fn document(&self) -> String {
        let mut text = String::new();
        for section in self.clone().sections() {
            for line in section.about() {
                let _ = writeln!(text, "#{line}");
            }
            let _ = writeln!(text, "[{}]", section.part());
            for key in section.keys() {
                for line in key.about {
                    let _ = writeln!(text, "#{line}");
                }
                let _ = match key.value {
                    Some(value) => writeln!(text, "{} = {value}", key.field),
                    None => writeln!(text, "# {} =", key.field),
                };
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len() + 1);
        text
    }

    fn sections(&mut self) -> [&mut dyn Section; 11] {
        [
            &mut self.server,
            &mut self.limits,
            &mut self.log,
            &mut self.egress,
            &mut self.exec,
            &mut self.cron,
            &mut self.auth,
            &mut self.ai,
            &mut self.proxy,
            &mut self.author,
            &mut self.acme,
        ]
    }

    /// Every key, as `part.name`.
    fn keys() -> Vec<String> {
        let mut config = Config::default();
        let sections = config.sections();
        let keys = sections.iter().flat_map(|section| {
            let named = |key: sections::Key| format!("{}.{}", section.part(), key.field);
            section
                .keys()
                .into_iter()
                .map(named)
                .collect::<Vec<String>>()
        });
        keys.collect()
    }

    fn apply_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let table: toml::Table = text
            .parse()
            .map_err(|error| ConfigError::syntax(path, text, &error))?;
        let origin = path.display().to_string();
        for (part, value) in &table {
            let Some(fields) = value.as_table() else {
                return Err(unknown_key(&origin, part));
            };
            if fields.is_empty() {
                self.check_part(part, &origin)?;
            }
            for (field, value) in fields {
                self.set(&format!("{part}.{field}"), &Input::Toml(value), &origin)?;
            }
        }
        Ok(())
    }

    fn check_part(&mut self, part: &str, origin: &str) -> Result<(), ConfigError> {
        if self.sections().iter().any(|section| section.part() == part) {
            return Ok(());
        }
        Err(unknown_key(origin, part))
    }

    fn apply_variables(&mut self, variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        let keys = Config::keys();
        let named: Vec<(String, &str)> = keys
            .iter()
            .map(|key| (variable_name(key), key.as_str()))
            .collect();
        // The map is sorted, but short names must come after long ones.
        let (short, long): (Vec<_>, Vec<_>) = variables
            .iter()
            .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX) && *name != FILE_VARIABLE)
            .partition(|(name, _)| SHORT_VARIABLES.iter().any(|(short, _)| short == name));
        for (name, text) in long.into_iter().chain(short) {
            let mut known = named
                .iter()
                .map(|(variable, key)| (variable.as_str(), *key))
                .chain(SHORT_VARIABLES);
            let Some((_, key)) = known.find(|(variable, _)| variable == name) else {
                let names = named.iter().map(|(variable, _)| variable.as_str());
                return Err(ConfigError::UnknownVariable {
                    name: name.clone(),
                    nearest: nearest(name, names.chain(["FOOTPATH_TOKEN", FILE_VARIABLE])),
                });
            };
            self.set(key, &Input::Text(text), &format!("the variable {name}"))?;
        }
        Ok(())
    }

    fn set(&mut self, key: &str, input: &Input<'_>, origin: &str) -> Result<(), ConfigError> {
        if !Config::keys().iter().any(|known| known == key) {
            return Err(unknown_key(origin, key));
        }
        let (part, field) = key.split_once('.').expect("every known key has a dot");
        let mut sections = self.sections();
        let section = sections.iter_mut().find(|section| section.part() == part);
        let section = section.expect("every known key belongs to a section");
        section
            .set(field, input)
            .map_err(|expects| ConfigError::BadValue {
                origin: origin.to_owned(),
                key: key.to_owned(),
                expects: expects.to_owned(),
            })
    }

    /// What other programs of this kind read serves when ours is not set.
    fn apply_fallbacks(&mut self, variables: &BTreeMap<String, String>) {
        let variable = |name: &str| variables.get(name).filter(|text| !text.is_empty()).cloned();
        let ai = &mut self.ai;
        ai.base_url = ai.base_url.take().or_else(|| variable("OPENAI_BASE_URL"));
        ai.api_key = ai
            .api_key
            .take()
            .or_else(|| variable("OPENAI_API_KEY").map(Secret::new));
    }

    /// What a type cannot say: every limit but `instances` is at least 1.
    fn check(&mut self) -> Result<(), ConfigError> {
        let zero = self
            .limits
            .keys()
            .into_iter()
            .find(|key| key.field != "instances" && key.value.as_deref() == Some("0"));
        match zero {
            None => Ok(()),
            Some(key) => Err(ConfigError::BadValue {
                origin: "the configuration".to_owned(),
                key: format!("limits.{}", key.field),
                expects: "at least 1".to_owned(),
            }),
        }
    }
}

fn variable_name(key: &str) -> String {
    format!(
        "{VARIABLE_PREFIX}{}",
        key.replace('.', "_").to_ascii_uppercase()
    )
}

fn unknown_key(origin: &str, key: &str) -> ConfigError {
    let keys = Config::keys();
    // Somebody who forgot the part's name still means that key.
    let same_field = keys
        .iter()
        .find(|known| known.split_once('.').is_some_and(|(_, field)| field == key));
    let nearest = match same_field {
        Some(known) => Some(known.clone()),
        None => nearest(key, keys.iter().map(String::as_str)),
    };
    ConfigError::UnknownKey {
        origin: origin.to_owned(),
        key: key.to_owned(),
        nearest,
    }
}

#[cfg(test)]
mod tests;
