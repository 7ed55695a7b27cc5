//! Spellings of a path that servers take for the same one. Pure; what a path leads to is
//! for others.

/// The spelling of a path that stands for all that servers take for the same one: no
/// escapes of what needs none, no empty segments, none that is a dot (RFC 3986, section
/// 6.2.2). Slashes count however they are written, since some servers decode them.
pub fn plain(path: &str) -> String {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        match escaped(rest) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~/\\".contains(&byte) => {
                decoded.push(byte);
                rest = &rest[3..];
            }
            Some(_) => {
                decoded.extend(rest[..3].to_ascii_uppercase());
                rest = &rest[3..];
            }
            None => {
                decoded.push(*first);
                rest = others;
            }
        }
    }
    let text = String::from_utf8_lossy(&decoded);
    let segments = text.split('/').filter(|one| !["", "."].contains(one));
    let mut plain: String = segments.flat_map(|one| ["/", one]).collect();
    if plain.is_empty() || text.ends_with('/') {
        plain.push('/');
    }
    plain
}

/// The byte that an escape such as `%2F` at the start stands for.
pub fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
}

/// Whether a path has one spelling only, as most have.
pub fn is_plain(path: &str) -> bool {
    let others = ["%", "//", "/."];
    !others.iter().any(|part| path.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_plain_spelling() {
        let same = [
            "/admin/x",
            "/%61dmin/x",
            "//admin//x",
            "/./admin/x",
            "/admin%2fx",
            "/admin/%2e/x",
        ];
        for path in same {
            assert_eq!(plain(path), "/admin/x", "{path}");
        }
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("/a/", "/a/"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%", "/a%"),
            ("/a%2", "/a%2"),
            ("/a%zz", "/a%zz"),
        ] {
            assert_eq!(plain(path), expected, "{path}");
        }
    }
}
