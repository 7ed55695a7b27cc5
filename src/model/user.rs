//! The name of a user: whose entries and runs are whose.

/// Whoever asks; nobody's name.
pub const ME: &str = "me";

/// Whether this may be a user's name: 1 to 32 of `A-Z a-z 0-9 _ . -`, no `-` in
/// front, and not only dots.
pub fn is_user_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let shaped = (1..=32).contains(&name.len()) && name.bytes().all(allowed);
    shaped && !name.starts_with('-') && name.bytes().any(|byte| byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["me", "alice", "A.b-c_9", "a", &"a".repeat(32), ".x"] {
            assert!(is_user_name(good), "{good}");
        }
        for bad in [
            "",
            "..",
            ".",
            "-a",
            "a b",
            "a/b",
            "é",
            "a\n",
            "@scripts",
            &"a".repeat(33),
        ] {
            assert!(!is_user_name(bad), "{bad}");
        }
    }
}
