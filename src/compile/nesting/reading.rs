//! One way to read the text as tokens: where it stands and what came last.
//!
//! This file follows the lexical grammar (ECMA-262 section 12) only as far as
//! brackets need it. It must not grow into a parser.

use super::TooDeep;
use super::brackets::{Brackets, Closer};
use super::lexical::{
    CHAIN_WORDS, CONTEXTUAL_WORDS, HEAD_WORDS, INFIX_WORDS, OPERATOR_WORDS, STATEMENT_WORDS,
    is_line_end, line_end, punctuator_length, regex_end, string_end, unescaped, word_length,
};

/// What one step did.
pub enum Step {
    /// A token was read.
    Token,
    /// A `/` can be read in two ways; the other way is in the box.
    Either(Box<Reading>),
    /// The text cannot be read this way: a bracket closes another kind, or a
    /// string, template, comment or regular expression does not end. The parser
    /// stops at the same place.
    Impossible,
    /// The end of the text.
    End,
}

#[derive(Clone)]
pub struct Reading {
    at: usize,
    brackets: Brackets,
    before: Before,
    /// The last token was one that can end a statement without a semicolon.
    ended: bool,
    /// A line ended since the last token.
    newline: bool,
    after_dot: bool,
    /// The last word starts a statement that goes on after its parentheses.
    head: bool,
    infer: Infer,
}

/// What a `/` would mean after the last token.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    /// An operand is due: a regular expression.
    Start,
    /// An operand has ended: a division, unless a statement ended with the line.
    Operand,
    /// Not decidable here.
    Either,
}

/// How far `infer X extends` has been seen.
#[derive(Clone, Copy, PartialEq)]
enum Infer {
    No,
    Word,
    Name,
}

impl Reading {
    pub fn start(source: &str) -> Self {
        Self {
            at: if source.starts_with("#!") {
                line_end(source, 0)
            } else {
                0
            },
            brackets: Brackets::none(),
            before: Before::Start,
            ended: false,
            newline: true,
            after_dot: false,
            head: false,
            infer: Infer::No,
        }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether the two can only differ in counters from here on.
    pub fn agrees_with(&self, other: &Reading) -> bool {
        self.at == other.at
            && self.before == other.before
            && self.newline == other.newline
            && self.ended == other.ended
            && self.after_dot == other.after_dot
            && self.head == other.head
            && self.infer == other.infer
            && self.brackets.same_as(&other.brackets)
    }

    /// Takes the higher counters of two readings that agree.
    pub fn merge(&mut self, other: &Reading) {
        self.brackets.merge(&other.brackets);
    }

    /// Reads one token and the space before it.
    pub fn step(&mut self, source: &str) -> Result<Step, TooDeep> {
        if !self.skip_space(source) {
            return Ok(Step::Impossible);
        }
        let start = self.at;
        let rest = &source[start..];
        let Some(c) = rest.chars().next() else {
            return Ok(Step::End);
        };
        match c {
            '(' if self.head => self.open(start, Closer::Head)?,
            '(' => self.open(start, Closer::Byte(b')'))?,
            '[' => self.open(start, Closer::Byte(b']'))?,
            '{' => self.open(start, Closer::Byte(b'}'))?,
            ')' | ']' | '}' => return self.close(source, c as u8),
            '`' => {
                self.at += 1;
                return self.template(source);
            }
            '"' | '\'' => {
                let Some(end) = string_end(source, start) else {
                    return Ok(Step::Impossible);
                };
                self.end_statement_at_line_end("");
                self.operand(end);
            }
            '/' => return Ok(self.slash(source)),
            '0'..='9' => self.number(rest),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(rest),
            'a'..='z' | 'A'..='Z' | '_' | '$' | '\\' | '#' => self.word(rest)?,
            c if c.is_ascii() => self.punctuator(rest)?,
            _ => self.word(rest)?,
        }
        Ok(Step::Token)
    }

    /// Skips white space and comments. False if a comment does not end.
    fn skip_space(&mut self, source: &str) -> bool {
        loop {
            let rest = &source[self.at..];
            let Some(c) = rest.chars().next() else {
                return true;
            };
            match c {
                c if is_line_end(c) => {
                    self.newline = true;
                    self.at += c.len_utf8();
                }
                c if c.is_whitespace() || c == '\u{FEFF}' => self.at += c.len_utf8(),
                '/' if rest.starts_with("//") => self.at = line_end(source, self.at),
                // The parser takes this for a comment of old, if only to refuse it.
                '<' if self.newline && rest.starts_with("<!--") => {
                    self.at = line_end(source, self.at);
                }
                '/' if rest.starts_with("/*") => {
                    let Some(length) = rest[2..].find("*/") else {
                        return false;
                    };
                    self.newline |= rest[2..2 + length].contains(is_line_end);
                    self.at += 2 + length + 2;
                }
                _ => return true,
            }
        }
    }

    fn open(&mut self, start: usize, closer: Closer) -> Result<(), TooDeep> {
        self.brackets.open(start, closer)?;
        self.advance(start + 1, Before::Start, false);
        Ok(())
    }

    fn close(&mut self, source: &str, closer: u8) -> Result<Step, TooDeep> {
        let Some(closed) = self.brackets.close(closer) else {
            return Ok(Step::Impossible);
        };
        let before = match closed {
            // On the same line only an operator can follow these.
            Closer::Byte(b')' | b']') => Before::Operand,
            _ => Before::Either,
        };
        self.advance(self.at + 1, before, true);
        if closed == Closer::Template {
            self.template(source)
        } else {
            Ok(Step::Token)
        }
    }

    /// Reads on inside a template, to its end or to its next substitution.
    fn template(&mut self, source: &str) -> Result<Step, TooDeep> {
        let bytes = source.as_bytes();
        let mut at = self.at;
        loop {
            match bytes.get(at) {
                None => return Ok(Step::Impossible),
                Some(b'\\') => at += 2,
                Some(b'`') => {
                    self.operand(at + 1);
                    return Ok(Step::Token);
                }
                Some(b'$') if bytes.get(at + 1) == Some(&b'{') => {
                    self.open(at + 1, Closer::Template)?;
                    return Ok(Step::Token);
                }
                Some(_) => at += 1,
            }
        }
    }

    fn slash(&mut self, source: &str) -> Step {
        let start = self.at;
        let may_divide = self.before != Before::Start;
        let may_match = self.before != Before::Operand || self.newline;
        let matched = if may_match {
            regex_end(source, start)
        } else {
            None
        };
        let other = match matched {
            Some(end) if !may_divide => {
                self.operand(end);
                return Step::Token;
            }
            None if !may_divide => return Step::Impossible,
            Some(end) => {
                let mut other = self.clone();
                other.operand(end);
                Some(Box::new(other))
            }
            None => None,
        };
        self.advance(start + 1, Before::Start, false);
        other.map_or(Step::Token, Step::Either)
    }

    fn number(&mut self, rest: &str) {
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(rest.len());
        self.end_statement_at_line_end("");
        self.operand(self.at + length);
    }

    fn word(&mut self, rest: &str) -> Result<(), TooDeep> {
        let start = self.at;
        let length = word_length(rest);
        // The parser takes `\u0069f` for `if`, if only to refuse it.
        let word = &*unescaped(&rest[..length]);
        let escaped = word.len() < length;
        if self.after_dot {
            self.operand(start + length);
            return Ok(());
        }
        self.end_statement_at_line_end(word);
        if STATEMENT_WORDS.contains(&word) {
            self.brackets.end_angles();
        }
        if CHAIN_WORDS.contains(&word) {
            self.brackets.link(start)?;
        }
        if self.infer == Infer::Name && word == "extends" {
            self.brackets.infer(start)?;
        }
        let infer = match self.infer {
            _ if word == "infer" => Infer::Word,
            Infer::Word => Infer::Name,
            _ => Infer::No,
        };
        let head = HEAD_WORDS.contains(&word) || (self.head && word == "await");
        if escaped || CONTEXTUAL_WORDS.contains(&word) {
            self.advance(start + length, Before::Either, false);
        } else if OPERATOR_WORDS.contains(&word) {
            self.advance(start + length, Before::Start, false);
        } else {
            self.operand(start + length);
        }
        self.infer = infer;
        self.head = head || escaped;
        Ok(())
    }

    fn punctuator(&mut self, rest: &str) -> Result<(), TooDeep> {
        let start = self.at;
        let length = punctuator_length(rest);
        let text = &rest[..length];
        match text {
            ";" => self.brackets.end_statement(),
            "," => self.brackets.end_chain(),
            "<" => self.brackets.open_angles(start, 1)?,
            "<<" => self.brackets.open_angles(start, 2)?,
            ">" => self.brackets.close_angle(),
            // No type contains these.
            "&&" | "||" | "==" | "===" | "!=" | "!==" => {
                self.brackets.end_angles();
                self.brackets.link(start)?;
            }
            _ => self.brackets.link(start)?,
        }
        let postfix = self.before != Before::Start && !self.newline;
        let before = match text {
            "!" if postfix => Before::Either,
            ">" | "?" | "*" | "++" | "--" => Before::Either,
            _ => Before::Start,
        };
        // A `>` that closes type arguments can end a statement.
        self.advance(start + length, before, text == ">");
        self.after_dot = matches!(text, "." | "?.");
        Ok(())
    }

    /// An operand on a new line after an operand: the statement before it has
    /// ended (ECMA-262 section 12.10), and so has any attempt to read its `<` as
    /// type arguments.
    fn end_statement_at_line_end(&mut self, word: &str) {
        if self.newline && self.ended && !INFIX_WORDS.contains(&word) {
            self.brackets.end_statement();
        }
    }

    fn operand(&mut self, end: usize) {
        self.advance(end, Before::Operand, true);
    }

    fn advance(&mut self, end: usize, before: Before, ended: bool) {
        self.at = end;
        self.before = before;
        self.ended = ended;
        self.newline = false;
        self.after_dot = false;
        self.head = false;
        self.infer = Infer::No;
    }
}
