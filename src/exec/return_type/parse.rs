//! Reads a type that is written as in TypeScript.

use serde_json::Value;
use thiserror::Error;

use super::{Property, Type};

/// Types within types.
const DEPTH_MAX: usize = 50;
/// The longest definition.
const DEFINITION_BYTES_MAX: usize = 64 << 10;

/// Why a text is no type that can be checked; `at` counts characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TypeError {
    #[error("expected {expected} at character {at}")]
    Expected { expected: &'static str, at: usize },
    #[error(
        "`{name}` cannot be checked; known are string, number, boolean, null, undefined, void, any, unknown, \
         never, literals, arrays, objects, Record<string, T>, Promise<T> and unions of these"
    )]
    Unknown { name: String },
    #[error("the type nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
    #[error("the type is longer than {DEFINITION_BYTES_MAX} bytes")]
    TooLong,
}

/// Reads a whole type.
pub fn parse(definition: &str) -> Result<Type, TypeError> {
    if definition.len() > DEFINITION_BYTES_MAX {
        return Err(TypeError::TooLong);
    }
    let chars: Vec<char> = definition.chars().collect();
    let mut reader = Reader {
        chars: &chars,
        at: 0,
    };
    let found = reader.union(0)?;
    reader.eat(';');
    reader.skip_space();
    if reader.at < chars.len() {
        return reader.expected("the end");
    }
    Ok(found)
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
}

impl Reader<'_> {
    fn union(&mut self, depth: usize) -> Result<Type, TypeError> {
        if depth > DEPTH_MAX {
            return Err(TypeError::TooDeep);
        }
        self.eat('|');
        let mut types = vec![self.array(depth)?];
        while self.eat('|') {
            types.push(self.array(depth)?);
        }
        if self.peek() == Some('&') {
            return Err(TypeError::Unknown {
                name: "&".to_owned(),
            });
        }
        Ok(if types.len() == 1 {
            types.remove(0)
        } else {
            Type::Union { types }
        })
    }

    fn array(&mut self, depth: usize) -> Result<Type, TypeError> {
        let mut found = self.primary(depth)?;
        let mut arrays = 0;
        while self.eat('[') {
            self.require(']', "`]`")?;
            arrays += 1;
            if depth + arrays > DEPTH_MAX {
                return Err(TypeError::TooDeep);
            }
            found = Type::Array {
                items: Box::new(found),
            };
        }
        Ok(found)
    }

    fn primary(&mut self, depth: usize) -> Result<Type, TypeError> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let inner = self.union(depth + 1)?;
                self.require(')', "`)`")?;
                if self.eat_text("=>") {
                    return Err(TypeError::Unknown {
                        name: "a function".to_owned(),
                    });
                }
                Ok(inner)
            }
            Some('{') => {
                self.at += 1;
                self.object(depth + 1)
            }
            Some('[') => Err(TypeError::Unknown {
                name: "a tuple".to_owned(),
            }),
            Some('\'' | '"') => Ok(Type::Literal {
                value: self.string()?.into(),
            }),
            Some('-' | '0'..='9') => self.number(),
            Some(c) if is_name(c) => self.named(depth),
            _ => self.expected("a type"),
        }
    }

    fn named(&mut self, depth: usize) -> Result<Type, TypeError> {
        let name = self.name();
        let simple = match name.as_str() {
            "string" => Some(Type::String),
            "number" => Some(Type::Number),
            "boolean" => Some(Type::Boolean),
            "null" | "undefined" | "void" => Some(Type::Null),
            "any" | "unknown" => Some(Type::Any),
            "never" => Some(Type::Union { types: Vec::new() }),
            "true" => Some(Type::Literal {
                value: Value::Bool(true),
            }),
            "false" => Some(Type::Literal {
                value: Value::Bool(false),
            }),
            "object" => Some(Type::Object {
                properties: Vec::new(),
            }),
            _ => None,
        };
        if let Some(simple) = simple {
            return Ok(simple);
        }
        let known = ["Array", "ReadonlyArray", "Record", "Promise"].contains(&name.as_str());
        if !known || !self.eat('<') {
            return Err(TypeError::Unknown { name });
        }
        let mut inner = self.union(depth + 1)?;
        if name == "Record" {
            if inner != Type::String {
                return Err(TypeError::Unknown {
                    name: "a Record whose keys are not string".to_owned(),
                });
            }
            self.require(',', "`,`")?;
            inner = self.union(depth + 1)?;
        }
        self.require('>', "`>`")?;
        Ok(match name.as_str() {
            "Record" => Type::Record {
                values: Box::new(inner),
            },
            "Promise" => inner,
            _ => Type::Array {
                items: Box::new(inner),
            },
        })
    }

    /// Behind the `{`.
    fn object(&mut self, depth: usize) -> Result<Type, TypeError> {
        let mut properties = Vec::new();
        loop {
            while self.eat(';') || self.eat(',') {}
            if self.eat('}') {
                return Ok(Type::Object { properties });
            }
            if self.eat('[') {
                let record = self.index_signature(depth)?;
                while self.eat(';') || self.eat(',') {}
                if !properties.is_empty() || !self.eat('}') {
                    return Err(TypeError::Unknown {
                        name: "an index signature beside other keys".to_owned(),
                    });
                }
                return Ok(record);
            }
            properties.push(self.property(depth)?);
        }
    }

    fn index_signature(&mut self, depth: usize) -> Result<Type, TypeError> {
        self.name();
        self.require(':', "`:`")?;
        if self.name() != "string" {
            return Err(TypeError::Unknown {
                name: "an index signature whose keys are not string".to_owned(),
            });
        }
        self.require(']', "`]`")?;
        self.require(':', "`:`")?;
        Ok(Type::Record {
            values: Box::new(self.union(depth)?),
        })
    }

    fn property(&mut self, depth: usize) -> Result<Property, TypeError> {
        let mut name = self.key()?;
        if name == "readonly" && !matches!(self.peek(), Some(':' | '?')) {
            name = self.key()?;
        }
        let optional = self.eat('?');
        if self.peek() == Some('(') {
            return Err(TypeError::Unknown {
                name: format!("{name}()"),
            });
        }
        self.require(':', "`:`")?;
        Ok(Property {
            name,
            optional,
            of: self.union(depth)?,
        })
    }

    fn key(&mut self) -> Result<String, TypeError> {
        match self.peek() {
            Some('\'' | '"') => self.string(),
            Some(c) if is_name(c) => Ok(self.name()),
            _ => self.expected("a key"),
        }
    }

    fn name(&mut self) -> String {
        self.skip_space();
        let rest = &self.chars[self.at..];
        let name: String = rest.iter().take_while(|c| is_name(**c)).collect();
        self.at += name.chars().count();
        name
    }

    /// A backslash takes the next character as it is; no more escapes are known.
    fn string(&mut self) -> Result<String, TypeError> {
        let quote = self.chars[self.at];
        self.at += 1;
        let mut text = String::new();
        while let Some(&c) = self.chars.get(self.at) {
            self.at += 1;
            match c {
                '\\' => {
                    text.extend(self.chars.get(self.at));
                    self.at += 1;
                }
                c if c == quote => return Ok(text),
                c => text.push(c),
            }
        }
        self.expected("the end of the text")
    }

    fn number(&mut self) -> Result<Type, TypeError> {
        let rest = &self.chars[self.at..];
        let part = |c: &&char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
        let text: String = rest.iter().take_while(part).collect();
        match serde_json::from_str::<Value>(&text) {
            Ok(value) => {
                self.at += text.len();
                Ok(Type::Literal { value })
            }
            Err(_) => self.expected("a number"),
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.chars.get(self.at).copied()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn eat_text(&mut self, wanted: &str) -> bool {
        self.skip_space();
        let wanted: Vec<char> = wanted.chars().collect();
        let found = self.chars[self.at..].starts_with(&wanted);
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    fn require(&mut self, wanted: char, expected: &'static str) -> Result<(), TypeError> {
        if self.eat(wanted) {
            Ok(())
        } else {
            self.expected(expected)
        }
    }

    fn skip_space(&mut self) {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T, TypeError> {
        Err(TypeError::Expected {
            expected,
            at: self.at + 1,
        })
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_checked_says_so() {
        let cases = [
            ("Date", "`Date` cannot be checked"),
            ("A & B", "`A` cannot be checked"),
            ("string & 'a'", "`&` cannot be checked"),
            ("[string, number]", "`a tuple` cannot be checked"),
            ("(a) => void", "`a` cannot be checked"),
            ("() => void", "expected a type at character 2"),
            ("{ a(): void }", "`a()` cannot be checked"),
            (
                "Record<number, string>",
                "`a Record whose keys are not string` cannot",
            ),
            ("Array", "`Array` cannot be checked"),
            ("string[", "expected `]` at character 8"),
            ("{ a string }", "expected `:` at character 5"),
            ("'a", "expected the end of the text at character 3"),
            ("1x", "expected a number at character 1"),
            ("string string", "expected the end at character 8"),
            ("", "expected a type at character 1"),
        ];
        for (definition, expected) in cases {
            let error = parse(definition).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{definition}: {error}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        for deep in [
            "(".repeat(100_000),
            "{a:".repeat(10_000),
            "Array<".repeat(10_000),
        ] {
            let error = parse(&deep).unwrap_err();
            assert!(
                matches!(error, TypeError::TooDeep | TypeError::TooLong),
                "{error}"
            );
        }
        assert_eq!(
            parse(&format!("string{}", "[]".repeat(10_000))),
            Err(TypeError::TooDeep)
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(definition in "[\\PC]{0,40}|([a-z{}\\[\\]()<>|;:,?'\"0-9. -]){0,40}") {
            let _ = parse(&definition);
        }
    }
}
