//! Where single tokens end, and what words mean to the readings.
//!
//! Pure functions over the text. They know no brackets and keep no state.

use std::borrow::Cow;

/// Words after which an operand follows, so that a `/` starts a regular
/// expression. All are reserved: none can be a variable.
pub const OPERATOR_WORDS: &[&str] = &[
    "return",
    "typeof",
    "case",
    "do",
    "else",
    "in",
    "instanceof",
    "new",
    "void",
    "delete",
    "throw",
    "extends",
    "default",
];
/// Words that are operators in some places and names in others.
pub const CONTEXTUAL_WORDS: &[&str] = &[
    "await",
    "yield",
    "of",
    "async",
    "as",
    "satisfies",
    "is",
    "keyof",
    "infer",
    "readonly",
    "unique",
    "asserts",
    "abstract",
    "declare",
    "type",
    "get",
    "set",
    "static",
    "let",
    "from",
    "accessor",
    "override",
    "public",
    "private",
    "protected",
    "out",
    "namespace",
    "module",
];
/// Words whose parentheses a statement follows.
pub const HEAD_WORDS: &[&str] = &["if", "while", "for", "with"];
/// Words that continue an expression or a type on the next line.
pub const INFIX_WORDS: &[&str] = &["in", "instanceof", "of", "as", "satisfies", "is", "extends"];
/// Words that count as operators or prefixes.
pub const CHAIN_WORDS: &[&str] = &[
    "typeof", "void", "delete", "await", "yield", "new", "if", "for", "while", "do", "else",
    "with", "extends", "keyof", "infer", "readonly", "unique", "async",
];
/// Reserved words that no type contains, so that type arguments end at them.
pub const STATEMENT_WORDS: &[&str] = &[
    "var", "const", "if", "for", "while", "return", "throw", "switch", "try", "do", "break",
    "continue", "case", "debugger", "export", "else",
];

/// Punctuators that must not be read as two shorter ones, the longest first. `>>` and
/// `>=` are left out: each `>` of them can close type arguments.
const PUNCTUATORS: &[&str] = &[
    "...", "===", "!==", "**=", "<<=", "&&=", "||=", "??=", "=>", "==", "!=", "<=", "<<", "&&",
    "||", "??", "?.", "**", "++", "--", "+=", "-=", "*=", "%=", "&=", "|=", "^=",
];

pub fn punctuator_length(rest: &str) -> usize {
    PUNCTUATORS
        .iter()
        .find(|text| rest.starts_with(**text))
        .map_or(1, |text| text.len())
}

pub fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

pub fn line_end(source: &str, at: usize) -> usize {
    source[at..]
        .find(is_line_end)
        .map_or(source.len(), |length| at + length)
}

/// The end of a string literal that starts at `start`, if it ends on its line.
pub fn string_end(source: &str, start: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'\n' | b'\r' => return None,
            b'\\' if bytes[at + 1..].starts_with(b"\r\n") => at += 3,
            b'\\' => at += 2,
            byte if *byte == bytes[start] => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// The end of a regular expression literal (ECMA-262 section 12.9.5) that
/// starts at `start`, without its flags, if it ends on its line.
pub fn regex_end(source: &str, start: usize) -> Option<usize> {
    let mut in_class = false;
    let mut escaped = false;
    for (at, c) in source[start + 1..].char_indices() {
        match c {
            c if is_line_end(c) => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => return Some(start + 1 + at + 1),
            _ => {}
        }
    }
    None
}

/// The bytes of an identifier, keyword or private name. Anything that is not
/// ASCII counts as part of one, except white space.
pub fn word_length(rest: &str) -> usize {
    let mut chars = rest.char_indices().peekable();
    // The first character decided that this is a word.
    while let Some((at, c)) = chars.next() {
        if c == '\\' && rest[at..].starts_with("\\u{") {
            while chars
                .next_if(|(_, c)| *c != '}' && !is_line_end(*c))
                .is_some()
            {}
            chars.next_if(|(_, c)| *c == '}');
        }
        match chars.peek() {
            Some((_, c)) if c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '\\') => {}
            Some((_, c)) if !c.is_ascii() && !c.is_whitespace() && *c != '\u{FEFF}' => {}
            Some((end, _)) => return *end,
            None => break,
        }
    }
    rest.len()
}

/// A word without its Unicode escapes (ECMA-262 section 12.7.1.2). What is no
/// escape stays as it is.
pub fn unescaped(word: &str) -> Cow<'_, str> {
    if !word.contains('\\') {
        return Cow::Borrowed(word);
    }
    let mut plain = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let (c, length) = unicode_escape(rest).unwrap_or(('\\', 1));
        plain.push(c);
        rest = &rest[length..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// The character of `\u0061` or `\u{61}` and the bytes of the escape.
fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let text = text.strip_prefix("\\u")?;
    let (digits, around) = match text.strip_prefix('{') {
        Some(braced) => (braced.split_once('}')?.0, 4),
        None => (text.get(..4)?, 2),
    };
    let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    Some((c, digits.len() + around))
}
