//! What a script may use follows from whose text it is. A person's script may use
//! all there is, the model when it says `@ai true`. One that a script wrote, and
//! so a model, gets a request, gives an answer and may call out; its directives
//! take nothing that a person did not give.

use super::history::Origin;
use crate::compile::capability::{Capabilities, Capability};
use crate::model::directives::{Ai, Concurrency, Directives, Mode, Timeout};

/// The capabilities that a script's component may import.
pub fn granted(origin: Origin, directives: &Directives) -> Capabilities {
    match origin {
        Origin::Script => Capabilities::from([Capability::Fetch]),
        Origin::Person => Capability::ALL
            .into_iter()
            .filter(|one| *one != Capability::Ai || directives.ai.enabled)
            .collect(),
    }
}

/// Takes back what a script that nobody has read gives itself: the kept instance,
/// the model, and limits above the usual ones.
pub fn restrain(origin: Origin, directives: &mut Directives) {
    if origin == Origin::Person {
        return;
    }
    directives.mode = Mode::Serverless;
    directives.concurrent = Concurrency::Unlimited;
    directives.timeout = Timeout::Default;
    directives.fuel = None;
    directives.memory_bytes = None;
    directives.raw_body = false;
    directives.ai = Ai::default();
    directives.schedule = Default::default();
    directives.remote = Default::default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::directives::parse;

    #[test]
    fn a_person_gets_the_model_by_asking_and_a_script_never() {
        let with_ai = parse("// @ai true\nreturn 1").directives;
        let without = parse("return 1").directives;
        let has_ai = |origin, directives| granted(origin, directives).contains(&Capability::Ai);
        assert!(has_ai(Origin::Person, &with_ai));
        assert!(!has_ai(Origin::Person, &without));
        assert!(!has_ai(Origin::Script, &with_ai));
        assert!(granted(Origin::Person, &without).contains(&Capability::Files));
        assert_eq!(
            granted(Origin::Script, &with_ai),
            Capabilities::from([Capability::Fetch])
        );
    }

    #[test]
    fn what_a_script_says_of_itself_gives_it_nothing() {
        let greedy = "// @mode worker\n// @ai true\n// @timeout unlimited\n// @fuel 99999999999\n// @memory 256mb\n// @description x\nreturn 1";
        let mut directives = parse(greedy).directives;
        restrain(Origin::Script, &mut directives);
        let plain = parse("return 1").directives;
        assert_eq!(directives.mode, plain.mode);
        assert_eq!(directives.timeout, plain.timeout);
        assert_eq!(
            (directives.fuel, directives.memory_bytes),
            (plain.fuel, plain.memory_bytes)
        );
        assert!(!directives.ai.enabled);
        let mut own = parse(greedy).directives;
        restrain(Origin::Person, &mut own);
        assert_eq!(own.mode, Mode::Worker);
    }
}
