//! Sources that are made to overflow the parser's stack or to keep it busy:
//! every production that recurses, as deep as the limits let it be.
//!
//! A stack overflow cannot be caught, it ends the test run.

mod cases;

use super::*;
use cases::CASES;

/// A source is `before`, `open` n times, `middle`, `close` n times, `after`.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// As long as a case may get. The stack grows with the source, so that a longer
/// one proves no more.
const CASE_BYTES: usize = 16 * 1024;

impl File<'_> {
    /// What `compile` does, with half the stack.
    fn compile_on_half_the_stack(&self) -> Option<Result<Compiled, Vec<Diagnostic>>> {
        nesting::check(self.source).ok()?;
        let stack_bytes = nesting::stack_bytes(self.source.len()) / 2;
        Some(deep_stack::run(stack_bytes, || self.compile()).expect("the compiler does not panic"))
    }
}

fn repeat((before, open, middle, close, after): Case, n: usize, closed: bool) -> String {
    let close = if closed { close } else { "" };
    let after = if closed { after } else { "" };
    format!(
        "{before}{}{middle}{}{after}",
        open.repeat(n),
        close.repeat(n)
    )
}

/// Nearly the longest source that is not refused.
fn longest(case: Case, closed: bool) -> String {
    let (before, open, _, close, _) = case;
    let mut n = CASE_BYTES / (open.len() + close.len());
    loop {
        let source = repeat(case, n, closed);
        let Err(too_deep) = nesting::check(&source) else {
            return source;
        };
        let passed = too_deep.offset.saturating_sub(before.len()) / open.len();
        n = passed.min(n - n.div_ceil(32));
    }
}

#[test]
fn every_recursive_production_fits_the_stack() {
    for case in CASES {
        for closed in [true, false] {
            let source = longest(*case, closed);
            for (language, role) in [
                (Language::TypeScript, Role::Entry),
                (Language::JavaScript, Role::Import),
            ] {
                let resolve = |name: &str| Ok(name.to_owned());
                let file = File::new("x", &source, language, role, &resolve, true);
                assert!(file.compile_on_half_the_stack().is_some(), "{case:?}");
            }
        }
    }
}

#[test]
fn bombs_are_refused_with_a_position() {
    let table = [
        ("(", "1:257 brackets are nested more than 256 deep"),
        ("[", "1:257 brackets are nested more than 256 deep"),
        ("{", "1:257 brackets are nested more than 256 deep"),
        ("`${", "1:771 brackets are nested more than 256 deep"),
        (
            "!",
            "1:4001 more than 4000 operators follow each other in one statement",
        ),
        (
            "a=",
            "1:8002 more than 4000 operators follow each other in one statement",
        ),
        ("a<", "1:2002 more than 1000 `<` are open at once"),
        (
            "f(a<b,(c=",
            "1:43 generics or comparisons contain each other more than 4 deep and would take too \
             long to parse",
        ),
    ];
    for (bomb, expected) in table {
        let source = bomb.repeat(100_000);
        let resolve = |name: &str| Ok(name.to_owned());
        let problems = compile("x.ts", &source, Language::TypeScript, Role::Entry, &resolve)
            .expect_err("bombs do not compile");
        let [problem] = &problems[..] else {
            panic!("{problems:?}")
        };
        assert_eq!(
            format!("{}:{} {}", problem.line, problem.column, problem.message),
            expected
        );
        assert!(problem.hint.is_some());
    }
}

#[test]
fn a_tree_that_is_too_deep_is_refused() {
    let calls = format!("x = f{}", "()".repeat(TREE_DEPTH_MAX));
    let resolve = |name: &str| Ok(name.to_owned());
    let problems =
        compile("x.ts", &calls, Language::TypeScript, Role::Entry, &resolve).unwrap_err();
    assert_eq!(
        problems[0].message,
        "an expression or statement is more than 4000 deep"
    );
}
