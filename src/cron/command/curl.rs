//! The arguments of `curl` that are understood, as one HTTP request.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::CommandError;

/// The longest `--max-time`, in seconds.
const MAX_TIME_SECONDS_MAX: f64 = 86_400.0;
/// The most that `--retry` may ask for.
const RETRY_MAX: u32 = 10;

/// What a curl command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurlCommand {
    pub method: Method,
    pub target: Target,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// `-L`.
    pub follow_redirects: bool,
    /// `-i`: the head of the answer is part of the output.
    pub show_head: bool,
    /// `-o /dev/null`.
    pub discard_body: bool,
    /// `--max-time`, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// `--retry`.
    pub retries: u32,
}

impl CurlCommand {
    /// How long a call may take, given its entry's `timeout_seconds`.
    pub fn timeout(&self, of_entry: Duration) -> Duration {
        let own = self.timeout_ms.map(Duration::from_millis);
        own.map_or(of_entry, |own| own.min(of_entry))
    }
}

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A path and query of our own.
    Own(String),
    /// An absolute URL. Its host may still turn out to be ours.
    Url(String),
}

#[derive(Default)]
struct Given {
    method: Option<String>,
    headers: HeaderMap,
    removed: Vec<HeaderName>,
    data: Vec<String>,
    json: bool,
    get: bool,
    url: Option<String>,
    follow_redirects: bool,
    show_head: bool,
    discard_body: bool,
    timeout_ms: Option<u64>,
    retries: u32,
}

/// The options with a value: their short and their long names.
const WITH_VALUE: [(char, &[&str]); 10] = [
    ('X', &["request"]),
    ('H', &["header"]),
    ('d', &["data", "data-ascii", "data-raw", "data-binary"]),
    ('\0', &["json"]),
    ('u', &["user"]),
    ('o', &["output"]),
    ('m', &["max-time"]),
    ('\0', &["retry"]),
    ('A', &["user-agent"]),
    ('e', &["referer"]),
];

/// The options without a value.
const FLAGS: [(char, &str); 7] = [
    ('G', "get"),
    ('f', "fail"),
    ('s', "silent"),
    ('S', "show-error"),
    ('i', "include"),
    ('L', "location"),
    ('k', "insecure"),
];

/// Reads what follows `curl`.
pub fn read(arguments: &[String]) -> Result<CurlCommand, CommandError> {
    let mut given = Given::default();
    let mut rest = arguments.iter();
    let mut options_end = false;
    while let Some(word) = rest.next() {
        if options_end || !word.starts_with('-') || word == "-" {
            given.set_url(word)?;
        } else if word == "--" {
            options_end = true;
        } else if let Some(long) = word.strip_prefix("--") {
            // curl takes values in the next word only, but `--retry=3` is a common slip.
            let (name, inline) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            given.long(name, inline, &mut rest)?;
        } else {
            given.short(&word[1..], &mut rest)?;
        }
    }
    given.into_command()
}

impl Given {
    fn long<'a>(
        &mut self,
        name: &str,
        inline: Option<&'a str>,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), CommandError> {
        let flag = format!("--{name}");
        if let Some((short, _)) = FLAGS.iter().find(|(_, long)| *long == name) {
            self.flag(*short);
            return Ok(());
        }
        let known = name == "url" || WITH_VALUE.iter().any(|(_, long)| long.contains(&name));
        if !known {
            return Err(CommandError::UnsupportedFlag { flag });
        }
        let value = inline.or_else(|| rest.next().map(String::as_str));
        self.value(&flag, name, value.ok_or_else(|| no_value(&flag))?)
    }

    /// `-fsSL`, `-XPOST`, `-X POST`.
    fn short<'a>(
        &mut self,
        letters: &'a str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), CommandError> {
        for (at, letter) in letters.char_indices() {
            if FLAGS.iter().any(|(short, _)| *short == letter) {
                self.flag(letter);
                continue;
            }
            let flag = format!("-{letter}");
            let Some((_, long)) = WITH_VALUE.iter().find(|(short, _)| *short == letter) else {
                return Err(CommandError::UnsupportedFlag { flag });
            };
            let behind = &letters[at + letter.len_utf8()..];
            let value = match behind.is_empty() {
                true => rest.next().map(String::as_str),
                false => Some(behind),
            };
            return self.value(&flag, long[0], value.ok_or_else(|| no_value(&flag))?);
        }
        Ok(())
    }

    /// `-f`, `-s`, `-S` and `-k` change nothing here: an answer of 400 or more is
    /// an error anyway, and certificates of other hosts are always verified.
    fn flag(&mut self, letter: char) {
        match letter {
            'G' => self.get = true,
            'i' => self.show_head = true,
            'L' => self.follow_redirects = true,
            _ => {}
        }
    }

    fn value(&mut self, flag: &str, name: &str, value: &str) -> Result<(), CommandError> {
        let bad = |problem: &str| CommandError::BadValue {
            flag: flag.to_owned(),
            problem: problem.to_owned(),
        };
        match name {
            "request" => self.method = Some(value.to_owned()),
            "header" => self
                .header(value)
                .ok_or_else(|| bad("needs `name: value`"))?,
            "data" | "data-ascii" | "data-binary" | "json" if value.starts_with('@') => {
                return Err(bad("cannot read files: write the data itself"));
            }
            "data" | "data-ascii" | "data-raw" | "data-binary" => self.data.push(value.to_owned()),
            "json" => {
                self.json = true;
                self.data.push(value.to_owned());
            }
            "user" => {
                let credentials = format!("Basic {}", STANDARD.encode(value));
                self.put(header::AUTHORIZATION, &credentials)
                    .ok_or_else(|| bad("cannot be sent"))?;
            }
            "output" if value == "/dev/null" => self.discard_body = true,
            "output" => return Err(bad("can only be /dev/null; the run keeps the output")),
            "max-time" => {
                let seconds = value.parse::<f64>().ok();
                let seconds =
                    seconds.filter(|value| *value > 0.0 && *value <= MAX_TIME_SECONDS_MAX);
                let seconds = seconds.ok_or_else(|| bad("needs seconds, up to a day"))?;
                self.timeout_ms = Some((seconds * 1000.0).ceil() as u64);
            }
            "retry" => {
                let retries = value.parse().ok().filter(|value| *value <= RETRY_MAX);
                self.retries = retries.ok_or_else(|| bad("needs a number up to 10"))?;
            }
            "user-agent" => {
                self.put(header::USER_AGENT, value)
                    .ok_or_else(|| bad("cannot be sent"))?;
            }
            "referer" => self
                .put(header::REFERER, value)
                .ok_or_else(|| bad("cannot be sent"))?,
            _ => self.set_url(value)?,
        }
        Ok(())
    }

    /// `name: value`; `name;` for an empty value; `name:` sends none.
    fn header(&mut self, line: &str) -> Option<()> {
        if let Some(name) = line.strip_suffix(';').filter(|name| !name.contains(':')) {
            self.headers.append(
                name.parse::<HeaderName>().ok()?,
                HeaderValue::from_static(""),
            );
            return Some(());
        }
        let (name, value) = line.split_once(':')?;
        let name: HeaderName = name.trim().parse().ok()?;
        match value.trim() {
            "" => self.removed.push(name),
            value => {
                self.headers
                    .append(name, HeaderValue::from_str(value).ok()?);
            }
        }
        Some(())
    }

    fn put(&mut self, name: HeaderName, value: &str) -> Option<()> {
        self.headers
            .insert(name, HeaderValue::from_str(value).ok()?);
        Some(())
    }

    fn set_url(&mut self, url: &str) -> Result<(), CommandError> {
        match self.url.replace(url.to_owned()) {
            None => Ok(()),
            Some(_) => Err(CommandError::SeveralUrls),
        }
    }

    fn into_command(mut self) -> Result<CurlCommand, CommandError> {
        let url = self.url.take().ok_or(CommandError::NoUrl)?;
        let has_data = !self.data.is_empty();
        let data = self.data.join(if self.json { "" } else { "&" });
        let in_query = self.get && has_data;
        let target = target(&url, in_query.then_some(&data))?;
        if has_data && !self.get {
            let kind = match self.json {
                true => "application/json",
                false => "application/x-www-form-urlencoded",
            };
            self.default_header(header::CONTENT_TYPE, kind);
            if self.json {
                self.default_header(header::ACCEPT, "application/json");
            }
        }
        self.default_header(header::ACCEPT, "*/*");
        self.default_header(
            header::USER_AGENT,
            concat!("footpath-cron/", env!("CARGO_PKG_VERSION")),
        );
        let method = match &self.method {
            Some(method) => {
                Method::from_bytes(method.as_bytes()).map_err(|_| CommandError::BadValue {
                    flag: "-X".to_owned(),
                    problem: "needs a method".to_owned(),
                })?
            }
            None if has_data && !self.get => Method::POST,
            None => Method::GET,
        };
        Ok(CurlCommand {
            method,
            target,
            headers: self.headers,
            body: if in_query {
                Vec::new()
            } else {
                data.into_bytes()
            },
            follow_redirects: self.follow_redirects,
            show_head: self.show_head,
            discard_body: self.discard_body,
            timeout_ms: self.timeout_ms,
            retries: self.retries,
        })
    }

    fn default_header(&mut self, name: HeaderName, value: &'static str) {
        if !self.removed.contains(&name) && !self.headers.contains_key(&name) {
            self.headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

fn no_value(flag: &str) -> CommandError {
    CommandError::BadValue {
        flag: flag.to_owned(),
        problem: "needs a value".to_owned(),
    }
}

fn target(url: &str, query: Option<&String>) -> Result<Target, CommandError> {
    let bad = |problem: &str| CommandError::BadUrl {
        url: url.chars().take(200).collect(),
        problem: problem.to_owned(),
    };
    let (whole, _) = url.split_once('#').unwrap_or((url, ""));
    let mut whole = whole.to_owned();
    if let Some(query) = query {
        whole.push(if whole.contains('?') { '&' } else { '?' });
        whole.push_str(query);
    }
    if whole.starts_with('/') && !whole.starts_with("//") {
        let parsed: Result<Uri, _> = whole.parse();
        let is_path = parsed.is_ok_and(|uri| uri.authority().is_none());
        return match is_path {
            true => Ok(Target::Own(whole)),
            false => Err(bad("it is no path")),
        };
    }
    if whole.starts_with("//") {
        return Err(bad(
            "a URL needs its scheme, and a path of ours starts with one slash",
        ));
    }
    // As curl does, a URL without a scheme is taken for HTTP.
    if !whole.contains("://") {
        whole.insert_str(0, "http://");
    }
    let parsed = url::Url::parse(&whole).map_err(|error| bad(&error.to_string()))?;
    if !["http", "https"].contains(&parsed.scheme()) {
        return Err(bad("only http and https are spoken"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(bad("put credentials into -u, where they are not logged"));
    }
    Ok(Target::Url(parsed.into()))
}
