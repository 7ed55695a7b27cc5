//! Refuses source text that would take the parser too deep or too long, before
//! the parser sees it.
//!
//! The parser is recursive descent and has no limit of its own: it overflows
//! its stack on `((((…`, and it tries things out and rewinds, so that some
//! 100-byte inputs keep it busy for hours (`f(a<b,(c=f(a<b,(c=…` doubles its
//! time per repetition: each `<` is first tried as type arguments). Neither can
//! be interrupted. So this file bounds what may nest, and [`stack_bytes`] says
//! how much stack the parser then needs at most.
//!
//! What is bounded, and why it is enough:
//!
//! | what | limit | what it bounds |
//! |---|---|---|
//! | open brackets, template substitutions included | [`NESTING_MAX`] | stack: 1 to 4 KB each |
//! | unclosed `<` | [`ANGLES_MAX`] | stack: 2 KB each; time: quadratic in it |
//! | brackets opened after an unclosed `<` | [`SPECULATION_MAX`] | time: up to 3 times more for each |
//! | `infer X extends` inside each other | [`SPECULATION_MAX`] | time: twice more for each |
//! | operators and prefixes in one statement or list item | [`CHAIN_MAX`] | time: some checks are quadratic in it |
//!
//! Everything else that recurses (`!!!!x`, `a=b=c`, `if(a)if(b)…`, `x.y.z`)
//! needs at most [`STACK_PER_SOURCE_BYTE`], because each step of it consumes at
//! least one byte of source; so the stack is sized by the source.
//!
//! The count of brackets must never be too low, or the bound is none. Only one
//! thing in the lexical grammar depends on the syntactic one: whether a `/`
//! divides or starts a regular expression (ECMA-262 section 12, the goal
//! symbols). Where that is not certain, both readings are followed, each with
//! its own brackets, until one turns out impossible or both agree again
//! ([`reading`]). This file must not decide what is correct: what it lets
//! through, the parser judges.

mod brackets;
mod lexical;
mod reading;

use reading::{Reading, Step};

/// Open brackets. People stay below 30, generated tables below 100.
pub const NESTING_MAX: usize = 256;
/// Unclosed `<`, counted over all open brackets.
pub const ANGLES_MAX: u32 = 1000;
/// Levels at which the parser tries one reading, fails and starts again. Five
/// cost at most 3^5 times the parser's normal time, about 30 ms per MiB.
pub const SPECULATION_MAX: u32 = 4;
/// `.`, `+`, `!`, `=`, `?`, `=>`, `if` and the like in one statement, without a
/// `,` between them.
pub const CHAIN_MAX: u32 = 4000;
/// Ways to read the text that are followed at once. Ordinary code needs two.
const READINGS_MAX: usize = 16;

/// For what nests within the limits above: 256 brackets of 4 KB, 1000 angles of
/// 2 KB, and the later passes, whose depth the tree's depth bounds.
const STACK_BASE_BYTES: usize = 16 * 1024 * 1024;
/// Twice the most that any production needs that is not bounded above
/// (measured: 311 bytes of stack per byte of `a=>a=>…`).
const STACK_PER_SOURCE_BYTE: usize = 640;

/// The source nests too deep at a byte offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooDeep {
    pub offset: usize,
    pub limit: Limit,
}

/// Which limit was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Nesting,
    Angles,
    Speculation,
    Chain,
    Readings,
}

impl Limit {
    pub fn message(self) -> String {
        match self {
            Limit::Nesting => format!("brackets are nested more than {NESTING_MAX} deep"),
            Limit::Angles => format!("more than {ANGLES_MAX} `<` are open at once"),
            Limit::Speculation => format!(
                "generics or comparisons contain each other more than {SPECULATION_MAX} deep \
                 and would take too long to parse"
            ),
            Limit::Chain => {
                format!("more than {CHAIN_MAX} operators follow each other in one statement")
            }
            Limit::Readings => {
                "too many `/` that could divide or start a regular expression".to_owned()
            }
        }
    }

    pub fn hint(self) -> &'static str {
        match self {
            Limit::Nesting | Limit::Chain => "split it into several statements or functions",
            Limit::Angles | Limit::Speculation => {
                "name the inner types or values, or put the comparison in parentheses of its own"
            }
            Limit::Readings => "put regular expressions in constants of their own",
        }
    }
}

/// The stack that parsing and checking a source of this many bytes needs at
/// most once [`check`] has passed it. Address space, not memory: only what is
/// used is ever backed by it.
pub fn stack_bytes(source_bytes: usize) -> usize {
    STACK_BASE_BYTES + source_bytes * STACK_PER_SOURCE_BYTE
}

/// Refuses a source that nests too deep. A source that is not even lexically
/// correct passes: the parser stops where the readings stop, and says why.
pub fn check(source: &str) -> Result<(), TooDeep> {
    let mut readings = vec![Reading::start(source)];
    while let Some(mut reading) = earliest(&mut readings) {
        match reading.step(source)? {
            Step::Token => keep(&mut readings, reading)?,
            Step::Either(other) => {
                keep(&mut readings, reading)?;
                keep(&mut readings, *other)?;
            }
            Step::Impossible => {}
            Step::End => return Ok(()),
        }
    }
    Ok(())
}

/// The reading that has come least far, so that readings meet again.
fn earliest(readings: &mut Vec<Reading>) -> Option<Reading> {
    let (index, _) = readings
        .iter()
        .enumerate()
        .min_by_key(|(_, reading)| reading.at())?;
    Some(readings.swap_remove(index))
}

/// Adds a reading, or merges it into one that is in the same state.
fn keep(readings: &mut Vec<Reading>, new: Reading) -> Result<(), TooDeep> {
    if let Some(same) = readings
        .iter_mut()
        .find(|reading| reading.agrees_with(&new))
    {
        same.merge(&new);
    } else if readings.len() == READINGS_MAX {
        return Err(TooDeep {
            offset: new.at(),
            limit: Limit::Readings,
        });
    } else {
        readings.push(new);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit_of(source: &str) -> Option<Limit> {
        check(source).err().map(|too_deep| too_deep.limit)
    }

    #[test]
    fn limits_are_exact() {
        for (open, close) in [("(", ")"), ("[", "]"), ("{", "}"), ("`${", "}`")] {
            let nest = |n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
            assert_eq!(limit_of(&nest(NESTING_MAX)), None, "{open}");
            assert_eq!(
                check(&nest(NESTING_MAX + 1)),
                Err(TooDeep {
                    offset: NESTING_MAX * open.len() + open.len() - 1,
                    limit: Limit::Nesting
                }),
                "{open}"
            );
        }
        let chain = |n: u32| format!("x{}", "=x".repeat(n as usize));
        assert_eq!(limit_of(&chain(CHAIN_MAX)), None);
        assert_eq!(limit_of(&chain(CHAIN_MAX + 1)), Some(Limit::Chain));
        let angles = |n: u32| "a<".repeat(n as usize);
        assert_eq!(limit_of(&angles(ANGLES_MAX)), None);
        assert_eq!(limit_of(&angles(ANGLES_MAX + 1)), Some(Limit::Angles));
        let tries = |n: u32| "a<(".repeat(n as usize);
        assert_eq!(limit_of(&tries(SPECULATION_MAX)), None);
        assert_eq!(
            limit_of(&tries(SPECULATION_MAX + 1)),
            Some(Limit::Speculation)
        );
        let infer = |n: u32| "[infer A extends ".repeat(n as usize);
        assert_eq!(limit_of(&infer(SPECULATION_MAX)), None);
        assert_eq!(
            limit_of(&infer(SPECULATION_MAX + 1)),
            Some(Limit::Speculation)
        );
    }

    /// Each pair is a context in which brackets do not count, so that any number
    /// of them passes, and what leaves that context again.
    #[test]
    fn brackets_in_text_do_not_count() {
        let many = "(".repeat(NESTING_MAX * 2);
        let table = [
            ("\"", "\""),
            ("'", "'"),
            ("'\\'", "'"),
            ("`", "`"),
            ("`\\`", "`"),
            ("`${1}", "`"),
            ("//", "\n"),
            ("//", "\r"),
            ("//", "\u{2028}"),
            ("/*", "*/"),
            ("<!--", "\n"),
            ("#!", "\n"),
            ("x = /[", "]/"),
            ("return /\\", "/"),
            ("x = /[/", "]/"),
        ];
        for (before, after) in table {
            let source = format!("{before}{many}{after}");
            assert_eq!(limit_of(&source), None, "{before}");
            let source = format!("{before}{many}{after}\n{many}");
            assert_eq!(limit_of(&source), Some(Limit::Nesting), "{before}");
        }
    }

    /// Each source would hide its brackets from a lexer that guesses wrong what
    /// the `/` is: in one reading they are text, in the other they are code.
    #[test]
    fn brackets_that_are_code_in_any_reading_count() {
        let many = "(".repeat(NESTING_MAX * 2);
        let table = [
            // The regular expression is `/'/`, the brackets are code.
            format!("import './x'\n/'/; {many} /'/"),
            format!("if (x) /'/; {many} /'/"),
            format!("\\u{{69}}f (x) /'/; {many} /'/"),
            format!("\\u0072eturn /'/; {many} /'/"),
            format!("do x; while (x) /'/; {many} /'/"),
            format!("for await (x of y) /'/; {many} /'/"),
            format!("(x)\n/'/; {many} /'/"),
            format!("{{}} /'/; {many} /'/"),
            format!("debugger\n/'/; {many} /'/"),
            format!("await /'/; {many} /'/"),
            format!("type A = B\n/'/; {many} /'/"),
            format!("let x: B<C>\n/'/; {many} /'/"),
            format!("a = b!\n/`/; {many} /`/"),
            // The `/` divides, the brackets are code.
            format!("a = b / {many} / c"),
            format!("a = (b) / {many} / c"),
            format!("a = {{}} / {many} / c"),
            format!("a = b! / {many} / c"),
            format!("a = b++ / {many} / c"),
            format!("a = b\n/ {many} / c"),
            format!("a = b.return / {many} / c"),
        ];
        for source in table {
            assert_eq!(limit_of(&source), Some(Limit::Nesting), "{}", &source[..20]);
        }
    }

    #[test]
    fn ordinary_code_passes() {
        let table = [
            "const r = (a + b) / c['x'] + \"a/b\"; // don't",
            "const r = Math.round((w / 2) / (h / 3)) / 2;\nfoo(')')",
            "const x = a\n  / b // it's\n  / c;",
            "if (/['\"(]/.test(s)) { s = s.replace(/[)}\\]/]/g, '') }",
            "if (a) {}\n/['\"]/.exec(s)",
            "const f = () => {}\n/'/.test(s)",
            "x = `a${`b${c}`}d` + `}` + `{`",
            "for (let i = 0; i < n; i++) { for (let j = 0; j < i; j++) { a[i] < b[j] } }",
            "const m: Map<string, Array<Record<string, Promise<Set<number>>>>> = new Map()",
            "type T<X> = X extends [infer A extends string, ...infer R] ? [A, ...T<R>] : []",
            "a = b < c ? d(() => { return e < f ? g : h }) : i",
            "enum A { B = 1 << 0, C = 1 << 1, D = (1 << 2) | (1 << 3) }",
            "class A<T extends { a: Map<string, { b: Set<T> }> }> { #x = 1; get y() { return this.#x } }",
            "",
        ];
        for source in table {
            assert_eq!(check(source), Ok(()), "{source}");
        }
    }

    /// Counters must go back at the end of a statement, with and without a
    /// semicolon, or long files would be refused.
    #[test]
    fn long_files_pass() {
        let table = [
            "const x = a < b;\n",
            "const x = a < b\n",
            "x = a < b\n",
            "let y = !x ? 1 : 2\n",
            "if (a) { b() } else if (!c) { d() }\n",
            "if (a) b = c\n",
            "foo(a => b, c => d)\n",
            "type A = B extends C ? D : E\n",
            "function f(a: Map<string, X>): Y<Z> { return a < 1 }\n",
            "interface A { b: C<D>\n e: F<G> }\n",
            "'x'\n/y/g\n",
            "x = (a + b) / 2\n",
            "x = a ? { b: c < d } : [e]\n",
            "x=((a)/b+(c)/d);",
            "case 1: foo(); break\n",
            "label: for (;;) { continue label }\n",
            "{ \"key\": [1, 2, { \"x\": null }] },\n",
        ];
        for line in table {
            assert_eq!(check(&line.repeat(5000)), Ok(()), "{line}");
        }
        let row = "[0x0, -1, !0, 1 << 3, a ? b : c],";
        assert_eq!(
            check(&format!("x = [{}]", row.repeat(100))),
            Ok(()),
            "{row}"
        );
        let words = format!("x = [{}]", "\"(((\", /[(]/g, ".repeat(20_000));
        assert_eq!(check(&words), Ok(()));
    }

    #[test]
    fn any_text_ends() {
        let mut seed = 0x2545_F491_4F6C_DD1D_u64;
        let alphabet: Vec<char> = "abc(){}[]<>/\\'\"`$!=?:;,.*+-#@\n\u{2028}é1 "
            .chars()
            .collect();
        for _ in 0..2000 {
            let text: String = (0..200)
                .map(|_| {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    alphabet[(seed % alphabet.len() as u64) as usize]
                })
                .collect();
            // Whatever it answers, it must end and not panic.
            let _ = check(&text);
        }
    }
}
