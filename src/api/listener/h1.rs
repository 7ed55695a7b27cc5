//! Where one HTTP/1 request ends and the next begins, by the letter of RFC 9112.
//!
//! Whoever stands in front of us may read a sloppy request in another way than we
//! do, and then see one request where we see two. So everything that can be read
//! in two ways is refused, before hyper, which is more lenient, sees it. Pure:
//! bytes in, framing out; what is refused is the connection's business.

use std::ops::ControlFlow;

use http::Uri;

use super::refusal::Violation::{self, Malformed};
use super::{HEAD_BYTES_MAX, HEADERS_MAX};
use syntax::{authority, field, is_host, is_text, is_token, is_usual, line};

mod syntax;

/// A size line of a chunk with its extensions; they mean nothing to anybody.
const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Trailer fields of one request together.
const TRAILER_BYTES_MAX: usize = 8 << 10;

/// Follows the bytes of one connection.
#[derive(Debug, Default)]
pub struct Framing {
    state: State,
    head: Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Head,
    /// So many bytes of a body are to come.
    Body(u64),
    ChunkLine,
    /// So many bytes of a chunk are to come, and then its line end.
    Chunk(u64),
    ChunkEnd,
    /// So many bytes of trailer fields went by.
    Trailer(usize),
    /// What comes may be HTTP or not: that is for the answer to say.
    AskedToUpgrade,
}

/// What the lines of a head said so far.
#[derive(Debug, Default)]
struct Head {
    /// Bytes that were looked at.
    scanned: usize,
    has_request_line: bool,
    /// Header fields, counted.
    fields: usize,
    is_http_10: bool,
    is_connect: bool,
    /// In a target of the absolute form.
    authority: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl Framing {
    /// Takes as many bytes as make sense by themselves; 0 when more are needed.
    pub fn step(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        match self.state {
            State::Head => self.head(bytes),
            State::Body(left) => Ok(self.data(left, bytes, State::Head)),
            State::Chunk(left) => Ok(self.data(left, bytes, State::ChunkEnd)),
            State::ChunkLine => self.chunk_line(bytes),
            State::ChunkEnd => match bytes {
                [b'\r', b'\n', ..] => Ok(self.to(State::ChunkLine, 2)),
                [] | [b'\r'] => Ok(0),
                _ => Err(Malformed("a chunk is longer than its size")),
            },
            State::Trailer(seen) => self.trailer(seen, bytes),
            State::AskedToUpgrade => Ok(0),
        }
    }

    /// The next byte is the first of a request.
    pub fn is_between(&self) -> bool {
        self.state == State::Head && self.head.scanned == 0
    }

    pub fn is_in_head(&self) -> bool {
        self.state == State::Head
    }

    pub fn is_in_body(&self) -> bool {
        !matches!(self.state, State::Head | State::AskedToUpgrade)
    }

    pub fn asked_to_upgrade(&self) -> bool {
        self.state == State::AskedToUpgrade
    }

    /// The answer said no: HTTP goes on.
    pub fn not_upgraded(&mut self) {
        self.state = State::Head;
    }

    /// Bytes of a body that need not be looked at.
    pub fn passing(&self) -> u64 {
        match self.state {
            State::Body(left) | State::Chunk(left) => left,
            _ => 0,
        }
    }

    fn to(&mut self, state: State, taken: usize) -> usize {
        self.state = state;
        taken
    }

    fn data(&mut self, left: u64, bytes: &[u8], then: State) -> usize {
        let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - taken as u64;
        let next = match (left, self.state) {
            (0, State::Body(_)) => self.after_body(),
            (0, _) => then,
            (left, State::Body(_)) => State::Body(left),
            (left, _) => State::Chunk(left),
        };
        self.to(next, taken)
    }

    fn after_body(&self) -> State {
        match self.head.upgrade {
            true => State::AskedToUpgrade,
            false => State::Head,
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        if self.is_between() {
            self.head = Head::default();
            // One empty line before a request is forgiven (section 2.2).
            if bytes.starts_with(b"\r\n") && !bytes[2..].starts_with(b"\r") {
                self.head.scanned = 2;
            }
        }
        while let Some(line) = line(&bytes[self.head.scanned..])? {
            self.head.scanned += line.len() + 2;
            if self.head.line(line)?.is_break() {
                let taken = self.head.scanned;
                is_small(taken)?;
                let next = match (self.head.chunked, self.head.length) {
                    (true, _) => State::ChunkLine,
                    (false, Some(left @ 1..)) => State::Body(left),
                    (false, _) => self.after_body(),
                };
                let upgrade = self.head.upgrade;
                self.head = Head {
                    upgrade,
                    ..Head::default()
                };
                return Ok(self.to(next, taken));
            }
        }
        is_small(bytes.len())?;
        Ok(0)
    }

    fn chunk_line(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let Some(line) = line(bytes)? else {
            return match bytes.len() {
                0..CHUNK_LINE_BYTES_MAX => Ok(0),
                _ => Err(Malformed("the size line of a chunk is too long")),
            };
        };
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let (digits, extension) = line.split_at(digits.count());
        if !(1..=15).contains(&digits.len()) {
            return Err(Malformed("the size of a chunk is no number"));
        }
        if !(extension.is_empty() || extension.starts_with(b";")) || !is_text(extension) {
            return Err(Malformed("something follows the size of a chunk"));
        }
        let size = digits.iter().fold(0, |size: u64, digit| {
            size * 16 + u64::from(char::from(*digit).to_digit(16).unwrap_or_default())
        });
        let next = match size {
            0 => State::Trailer(0),
            size => State::Chunk(size),
        };
        Ok(self.to(next, line.len() + 2))
    }

    fn trailer(&mut self, seen: usize, bytes: &[u8]) -> Result<usize, Violation> {
        let line = line(bytes)?;
        let seen = seen + line.map_or(bytes.len(), |line| line.len() + 2);
        if seen > TRAILER_BYTES_MAX {
            return Err(Malformed("the trailer fields are too long"));
        }
        match line {
            None => Ok(0),
            Some([]) => {
                let next = self.after_body();
                Ok(self.to(next, 2))
            }
            Some(line) => {
                let (name, _) = field(line)?;
                let forbidden = [
                    "content-length",
                    "transfer-encoding",
                    "host",
                    "authorization",
                ];
                if forbidden
                    .iter()
                    .any(|one| name.eq_ignore_ascii_case(one.as_bytes()))
                {
                    return Err(Malformed("a trailer field that belongs in the head"));
                }
                Ok(self.to(State::Trailer(seen), line.len() + 2))
            }
        }
    }
}

impl Head {
    /// `Break` at the empty line that ends the head.
    fn line(&mut self, line: &[u8]) -> Result<ControlFlow<()>, Violation> {
        if !self.has_request_line {
            self.request_line(line)?;
            self.has_request_line = true;
            return Ok(ControlFlow::Continue(()));
        }
        if line.is_empty() {
            self.end()?;
            return Ok(ControlFlow::Break(()));
        }
        let (name, value) = field(line)?;
        self.fields += 1;
        if self.fields > HEADERS_MAX {
            return Err(Violation::TooLarge {
                what: "header fields",
                used: self.fields,
                max: HEADERS_MAX,
            });
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(value).ok().filter(|_| digits);
            let length = number.and_then(|text| text.parse().ok());
            let length = length.ok_or(Malformed("Content-Length is no number"))?;
            if self.length.replace(length).is_some() {
                return Err(Malformed("there are two Content-Length"));
            }
        } else if is("transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed("Transfer-Encoding is not `chunked`"));
            }
            self.chunked = true;
        } else if is("host") {
            if !is_host(value) {
                return Err(Malformed("Host is no host"));
            }
            if self.host.replace(value.to_vec()).is_some() {
                return Err(Malformed("there are two Host"));
            }
        } else if is("upgrade") {
            self.upgrade = true;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed("the request line has not three parts"));
        };
        if method.is_empty() || !method.iter().all(is_token) {
            return Err(Malformed("the method is no token"));
        }
        self.is_http_10 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(Malformed("the version is not 1.0 or 1.1")),
        };
        self.is_connect = method == b"CONNECT";
        self.upgrade = self.is_connect;
        let is_plain = |byte: &u8| *byte > b' ' && *byte != 0x7f && *byte != b'#';
        if target.is_empty() || !target.iter().all(is_plain) {
            return Err(Malformed(
                "the target has a character that it must not have",
            ));
        }
        // What the crate `http` cannot read, nobody behind it could answer.
        if !target.iter().all(is_usual) && Uri::try_from(target).is_err() {
            return Err(Malformed("the target is no URL"));
        }
        if let Some(authority) = authority(target) {
            self.authority = Some(authority.to_vec());
            return match is_host(authority) && !authority.is_empty() {
                true => Ok(()),
                false => Err(Malformed("the target's host is no host")),
            };
        }
        let fits = match target {
            b"*" => method == b"OPTIONS",
            _ if self.is_connect => is_host(target),
            _ => target.starts_with(b"/"),
        };
        match fits {
            true => Ok(()),
            false => Err(Malformed("the target has none of the four forms")),
        }
    }

    fn end(&self) -> Result<(), Violation> {
        if self.chunked && self.length.is_some() {
            return Err(Malformed("both Content-Length and Transfer-Encoding"));
        }
        if self.chunked && self.is_http_10 {
            return Err(Malformed("Transfer-Encoding in HTTP/1.0"));
        }
        if self.is_connect && (self.chunked || self.length.is_some()) {
            return Err(Malformed("CONNECT with a body"));
        }
        match (&self.host, &self.authority) {
            (None, _) if !self.is_http_10 => Err(Malformed("there is no Host")),
            (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
                Err(Malformed("Host and the target name two hosts"))
            }
            _ => Ok(()),
        }
    }
}

/// A head up to here, or a whole one.
fn is_small(head_bytes: usize) -> Result<(), Violation> {
    match head_bytes < HEAD_BYTES_MAX {
        true => Ok(()),
        false => Err(Violation::TooLarge {
            what: "bytes of a head",
            used: head_bytes,
            max: HEAD_BYTES_MAX,
        }),
    }
}

#[cfg(test)]
mod tests;
