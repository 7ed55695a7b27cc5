//! A dry run: the call of a script that shall change no certificate, and what it
//! would have changed. It must not decide which calls are dry runs.

use std::sync::{Arc, Mutex, PoisonError};

/// How many remarks are kept, and how long each may be, in characters.
const NOTES_MAX: usize = 100;
const NOTE_CHARS_MAX: usize = 200;

/// Clones share the remarks: those of the calls that this one makes are in it too.
#[derive(Debug, Clone, Default)]
pub struct DryRun(Arc<Mutex<Vec<String>>>);

impl DryRun {
    /// Something would have been done.
    pub fn note(&self, what: &str) {
        // A list of texts is never half changed.
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < NOTES_MAX {
            let plain = what.chars().filter(|char| (' '..='~').contains(char));
            notes.push(plain.take(NOTE_CHARS_MAX).collect());
        }
    }

    /// All of it, on one line of printable ASCII; none when there is nothing.
    pub fn summary(&self) -> Option<String> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_fits_in_a_header() {
        let dry_run = DryRun::default();
        assert_eq!(dry_run.summary(), None);
        dry_run.clone().note("would order\r\nSet-Cookie: a=b");
        dry_run.note("would install é");
        assert_eq!(
            dry_run.summary().unwrap(),
            "would orderSet-Cookie: a=b; would install "
        );
        for _ in 0..1000 {
            dry_run.note(&"x".repeat(1000));
        }
        assert!(dry_run.summary().unwrap().len() < NOTES_MAX * (NOTE_CHARS_MAX + 2));
    }
}
