//! Which capabilities a script uses: the globals that its modules name and
//! nothing in them defines. Code that reaches globals by computed names could
//! use any. It must not decide what a script is granted.

use oxc::allocator::Allocator;
use oxc::parser::Parser;
use oxc::semantic::{Scoping, SemanticBuilder};
use oxc::span::SourceType;

use super::bundle::Bundle;
use super::capability::{Capabilities, Capability};

/// Names through which any global can be reached.
const DOORS: &[&str] = &[
    "globalThis",
    "self",
    "global",
    "eval",
    "Function",
    "Reflect",
];

/// The capabilities that the modules of a bundle name.
pub fn scan(bundle: &Bundle) -> Capabilities {
    let mut found = Capabilities::new();
    for module in &bundle.modules {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, &module.code, SourceType::mjs()).parse();
        let semantic = SemanticBuilder::new().build(&parsed.program).semantic;
        let globals = semantic.scoping().root_unresolved_references();
        for (name, _) in globals {
            if DOORS.contains(&name.as_str()) {
                return Capability::ALL.into_iter().collect();
            }
            found.extend(
                Capability::ALL
                    .into_iter()
                    .filter(|one| one.globals().contains(&name.as_str())),
            );
        }
        if takes_shared(semantic.scoping()) || module.code.contains(".shared") {
            found.insert(Capability::Shared);
        }
    }
    found
}

/// `shared` comes as a parameter, not as a global: it counts when it is used.
fn takes_shared(scoping: &Scoping) -> bool {
    scoping.symbol_ids().any(|symbol| {
        scoping.symbol_name(symbol) == Capability::Shared.global()
            && !scoping.get_resolved_reference_ids(symbol).is_empty()
    })
}
