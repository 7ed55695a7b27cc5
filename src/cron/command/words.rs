//! A command line cut into words as a POSIX shell quotes them, without anything
//! that a shell would do (POSIX.1-2017, XCU section 2.2).

use super::CommandError;

/// Unquoted, these mean something to a shell that is not done here.
const SHELL_SIGNS: &str = "|&;<>()`$*?[]{}~!#\\";

/// Cuts a line into words. A backslash quotes the next character, `'…'` quotes
/// all, `"…"` all but a backslash before `"`, `\`, `$` and a backtick.
pub fn split(text: &str) -> Result<Vec<String>, CommandError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut signs = text.chars().enumerate().peekable();
    while let Some((at, sign)) = signs.next() {
        match sign {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match signs.next() {
                        Some((_, '\'')) => break,
                        Some((_, inner)) => word.push(inner),
                        None => return Err(CommandError::OpenQuote { position: at + 1 }),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                double_quoted(&mut signs, word, at)?;
            }
            '\\' => match signs.next() {
                Some((_, quoted)) => word.get_or_insert_default().push(quoted),
                None => return Err(CommandError::OpenQuote { position: at + 1 }),
            },
            _ if is_for_shell(sign, word.as_deref()) => {
                let position = at + 1;
                return Err(CommandError::NeedsShell { sign, position });
            }
            _ => word.get_or_insert_default().push(sign),
        }
    }
    words.extend(word);
    Ok(words)
}

/// `?`, `*`, braces and brackets are left alone in a word that has begun, as a
/// shell leaves a URL that matches no file; `#` and `~` matter in front only.
fn is_for_shell(sign: char, word: Option<&str>) -> bool {
    let inside = word.is_some_and(|word| !word.is_empty());
    SHELL_SIGNS.contains(sign) && !(inside && "?*[]{}~!#".contains(sign))
}

fn double_quoted(
    signs: &mut impl Iterator<Item = (usize, char)>,
    word: &mut String,
    start: usize,
) -> Result<(), CommandError> {
    let open = CommandError::OpenQuote {
        position: start + 1,
    };
    loop {
        match signs.next() {
            None => return Err(open),
            Some((_, '"')) => return Ok(()),
            Some((at, sign @ ('$' | '`'))) => {
                let position = at + 1;
                return Err(CommandError::NeedsShell { sign, position });
            }
            Some((_, '\\')) => match signs.next() {
                None => return Err(open),
                Some((_, quoted @ ('"' | '\\' | '$' | '`'))) => word.push(quoted),
                Some((_, other)) => word.extend(['\\', other]),
            },
            Some((_, sign)) => word.push(sign),
        }
    }
}
