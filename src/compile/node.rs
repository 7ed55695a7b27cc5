//! Those of Node's modules that exist here: their names and what they export.
//! What they do, the engine knows (`guest/js/node/`); this must not.

/// The modules and the names that can be imported from each.
const MODULES: &[(&str, &[&str])] = &[
    ("buffer", &["Buffer", "Blob", "File", "atob", "btoa"]),
    (
        "crypto",
        &[
            "Hash",
            "Hmac",
            "createHash",
            "createHmac",
            "getHashes",
            "getRandomValues",
            "hash",
            "randomBytes",
            "randomInt",
            "randomUUID",
            "subtle",
            "timingSafeEqual",
            "webcrypto",
        ],
    ),
    (
        "process",
        &[
            "arch", "argv", "cwd", "env", "hrtime", "nextTick", "platform", "uptime",
        ],
    ),
    (
        "timers",
        &[
            "clearImmediate",
            "clearInterval",
            "clearTimeout",
            "setImmediate",
            "setInterval",
            "setTimeout",
        ],
    ),
    ("timers/promises", &["setImmediate", "setTimeout"]),
    ("url", &["URL", "URLSearchParams"]),
];

/// Modules of Node that scripts are likely to ask for and that do not exist here.
const ABSENT: &[&str] = &[
    "assert",
    "async_hooks",
    "child_process",
    "cluster",
    "console",
    "constants",
    "diagnostics_channel",
    "dgram",
    "dns",
    "dns/promises",
    "events",
    "fs",
    "fs/promises",
    "http",
    "http2",
    "https",
    "module",
    "net",
    "os",
    "path",
    "path/posix",
    "perf_hooks",
    "punycode",
    "querystring",
    "readline",
    "stream",
    "stream/promises",
    "stream/web",
    "string_decoder",
    "tls",
    "tty",
    "util",
    "util/types",
    "v8",
    "vm",
    "worker_threads",
    "zlib",
];

/// The module that a specifier, with `node:` or without, means; `None` if there is
/// no such module here.
pub fn module(specifier: &str) -> Option<String> {
    let name = specifier.strip_prefix("node:").unwrap_or(specifier);
    exports(name).map(|_| format!("node:{name}"))
}

/// Whether a specifier means a module of Node that does not exist here.
pub fn is_absent(specifier: &str) -> bool {
    module(specifier).is_none() && (specifier.starts_with("node:") || ABSENT.contains(&specifier))
}

/// The names with `node:` of all modules, for messages.
pub fn names() -> String {
    let names = MODULES.iter().map(|(name, _)| format!("`node:{name}`"));
    names.collect::<Vec<String>>().join(", ")
}

/// What a module exports, if `name` is not among it.
pub fn instead_of(specifier: &str, name: &str) -> Option<String> {
    let module = specifier.strip_prefix("node:").unwrap_or(specifier);
    let known = exports(module)?;
    let is_known = name == "default" || known.contains(&name);
    (!is_known).then(|| known.join(", "))
}

/// The text of a module of this name.
pub fn source(module: &str) -> Option<String> {
    let name = module.strip_prefix("node:")?;
    let exports = exports(name)?.join(", ");
    Some(format!(
        "const all = require(\"{name}\");\nexport default all;\nexport const {{ {exports} }} = all;\n"
    ))
}

fn exports(name: &str) -> Option<&'static [&'static str]> {
    let known = MODULES.iter().find(|(known, _)| *known == name);
    known.map(|(_, exports)| *exports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_by_their_specifiers() {
        let table = [
            ("crypto", Some("node:crypto"), false),
            ("node:crypto", Some("node:crypto"), false),
            ("node:timers/promises", Some("node:timers/promises"), false),
            ("node:fs", None, true),
            ("node:anything", None, true),
            ("fs", None, true),
            ("lodash", None, false),
            ("./crypto", None, false),
            ("node:node:crypto", None, true),
            ("", None, false),
        ];
        for (specifier, expected, absent) in table {
            assert_eq!(module(specifier).as_deref(), expected, "{specifier}");
            assert_eq!(is_absent(specifier), absent, "{specifier}");
        }
    }

    #[test]
    fn the_text_of_a_module_exports_its_names() {
        let text = source("node:timers/promises").unwrap();
        assert!(text.contains("export const { setImmediate, setTimeout } = all;"));
        assert_eq!(source("timers/promises"), None);
        assert_eq!(source("node:fs"), None);
    }
}
