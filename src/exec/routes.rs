//! From script files to routes, and from a request's path to its script.
//!
//! Owns which files mount and where (`mount`, `pattern`), which route answers a
//! path (`url_path`, `tree`, `table`, `parameters`), which sets of files contradict
//! themselves (`conflict`), which deployment a host name means (`host`) and how
//! the route API shows all of it (`answer`). Everything here is pure: it must not read
//! files, run scripts or know about HTTP beyond the path and the host name.
//!
//! # Which file answers
//!
//! | file | answers | `metadata.parameters` |
//! |---|---|---|
//! | `hello.ts`, `hello.js` | `/hello` | |
//! | `index.ts` | `/` | |
//! | `api/index.ts` | `/api` | |
//! | `users/[id].ts` | `/users/7` | `{"id":"7"}` |
//! | `[a]/[b].ts` | `/x/y` | `{"a":"x","b":"y"}` |
//! | `docs/[...slug].ts` | `/docs/x`, `/docs/x/y`, not `/docs` | `{"slug":["x","y"]}` |
//! | `docs/[[...path]].ts` | as above, and `/docs` | `{"path":[]}` |
//! | `guide.md` | `/guide.md`, the text itself | |
//!
//! At every segment, from the left, a static name goes before a parameter,
//! a parameter before a catch-all, a catch-all before an optional one. What
//! turns out not to lead to a file is taken back: with `a/b/d.ts` and
//! `a/[x]/c.ts`, the path `/a/b/c` is answered by the second. With
//! `a/[...rest].ts` and `[p]/b.ts`, the path `/a/b` is answered by the first.
//!
//! Each segment is percent-decoded after the path is split, so `%2F` stays
//! inside its segment. Empty segments do not count: `/a/`, `//a` and `/a` are
//! one path.
//!
//! # A leading `/scripts/`
//!
//! `/scripts/certs/renew` means `/certs/renew` when that fits better: a route
//! in a folder of its own named `scripts` always wins; otherwise the shorter
//! path wins if nothing answers the full one, or something more specific
//! answers the shorter (a static route before a root catch-all).

pub mod answer;
pub mod conflict;
pub mod host;
pub mod mount;
pub mod parameters;
pub mod pattern;
pub mod table;
pub mod tree;
pub mod url_path;
