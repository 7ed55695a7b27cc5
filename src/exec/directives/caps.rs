//! What a script may ask for at most: the operator's word against the author's.
//! It must not know the defaults, which are for scripts that ask for nothing.

use std::time::Duration;

use super::{Parsed, Warning, parse};
use crate::model::directives::Timeout;

/// The largest values of `@timeout`, `@fuel` and `@memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Wall clock of a request; what `@timeout none` means.
    pub timeout: Duration,
    /// Wasm fuel of a request.
    pub fuel: u64,
    /// Memory of an instance, in bytes.
    pub memory_bytes: u64,
}

impl Caps {
    /// Reads the directives of a source text, with what is above a cap cut down
    /// to it, and a warning for each.
    pub fn parse(&self, source: &str) -> Parsed {
        let mut parsed = parse(source);
        self.apply(&mut parsed);
        parsed
    }

    /// Cuts what is above a cap. `comments` go on saying what the file says.
    pub fn apply(&self, parsed: &mut Parsed) {
        let directives = &mut parsed.directives;
        match directives.timeout {
            Timeout::After(asked) if asked > self.timeout => {
                parsed.warnings.push(warning(
                    "@timeout",
                    format!("{} ms", asked.as_millis()),
                    format!("{} ms", self.timeout.as_millis()),
                    "limits.wall_clock_max_ms",
                ));
                directives.timeout = Timeout::After(self.timeout);
            }
            Timeout::Unlimited => directives.timeout = Timeout::After(self.timeout),
            Timeout::After(_) | Timeout::Default => {}
        }
        let amounts = [
            (
                "@fuel",
                &mut directives.fuel,
                self.fuel,
                "",
                "limits.fuel_max_units",
            ),
            (
                "@memory",
                &mut directives.memory_bytes,
                self.memory_bytes,
                " bytes",
                "limits.memory_max_bytes",
            ),
        ];
        for (name, asked, cap, unit, key) in amounts {
            if let Some(over) = asked.filter(|asked| *asked > cap) {
                parsed.warnings.push(warning(
                    name,
                    format!("{over}{unit}"),
                    format!("{cap}{unit}"),
                    key,
                ));
                *asked = Some(cap);
            }
        }
    }
}

fn warning(directive: &str, asked: String, cap: String, key: &str) -> Warning {
    Warning {
        directive: directive.to_owned(),
        value: asked,
        message: format!("is above what the server allows, and cut to {cap}; see {key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps {
        timeout: Duration::from_secs(60),
        fuel: 1_000_000,
        memory_bytes: 64 << 20,
    };

    #[test]
    fn what_is_above_a_cap_is_cut_and_told() {
        let parsed = CAPS.parse("// @timeout 2m\n// @fuel 2M\n// @memory 65mb\nreturn 1");
        let directives = &parsed.directives;
        assert_eq!(directives.timeout, Timeout::After(CAPS.timeout));
        assert_eq!(directives.fuel, Some(CAPS.fuel));
        assert_eq!(directives.memory_bytes, Some(CAPS.memory_bytes));
        let told: Vec<_> = parsed
            .warnings
            .iter()
            .map(|one| (&*one.directive, &*one.value))
            .collect();
        let asked = [
            ("@timeout", "120000 ms"),
            ("@fuel", "2000000"),
            ("@memory", "68157440 bytes"),
        ];
        assert_eq!(told, asked);
        assert!(parsed.warnings[2].message.contains("cut to 67108864 bytes"));
        assert_eq!(parsed.comments["fuel"], 2_000_000, "what the file says");
    }

    #[test]
    fn what_is_not_above_stays() {
        let source = "// @timeout 60s\n// @fuel 1M\n// @memory 64mb\nreturn 1";
        assert_eq!(CAPS.parse(source), parse(source));
        assert_eq!(CAPS.parse("return 1"), parse("return 1"));
    }

    #[test]
    fn no_limit_is_the_cap() {
        let parsed = CAPS.parse("// @timeout none\nreturn 1");
        assert_eq!(parsed.directives.timeout, Timeout::After(CAPS.timeout));
        assert_eq!(parsed.warnings, []);
    }
}
