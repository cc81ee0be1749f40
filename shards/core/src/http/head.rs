//! One request head: where it ends, and what it says.

use httparse::{Header, Request, Status};

/// Longest head in bytes, the empty line included (D39).
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Most headers of a head (D39).
pub const HEADERS_MAX: usize = 64;

/// A parsed head, borrowed from the bytes it came in.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) method: &'a str,
    /// The path without its query; `*` and the target of CONNECT stand here as they came.
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    /// Minor version: 0 or 1.
    pub(super) version: u8,
    /// Whether bytes of a body follow the head.
    pub(super) has_body: bool,
    headers: &'a [Header<'a>],
}

/// Why bytes are no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadError {
    /// The sentence tells the client what is wrong.
    Malformed(&'static str),
    TooManyHeaders,
}

/// What bytes are told that are no HTTP/1 at all.
pub(super) const NOT_HTTP: &str = "This is not an HTTP/1.1 request.";

/// Finds the empty line that ends a head, and returns the head's length with it. A line ends with LF or CRLF. The first
/// `searched` bytes are known not to hold the empty line, so that a head that trickles in costs linear time.
pub(super) fn find_end(bytes: &[u8], searched: usize) -> Option<usize> {
    // The end has three bytes at most, so two of them may have been searched already.
    let from = searched.saturating_sub(2);
    let mut rest = bytes.get(from..)?;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
        rest = &rest[at + 1..];
        let end_line = match rest {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => continue,
        };
        return Some(bytes.len() - rest.len() + end_line);
    }
    None
}

/// How many empty lines `bytes` begin with, and how many bytes these have.
pub(super) fn leading_empty_lines(bytes: &[u8]) -> (usize, usize) {
    let (mut lines, mut rest) = (0, bytes);
    while let [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] = rest {
        rest = after;
        lines += 1;
    }
    (lines, bytes.len() - rest.len())
}

/// Whether the bytes can still become a request: what comes before the first space is a method. A lone CR may become an
/// empty line.
pub(super) fn may_begin_request(bytes: &[u8]) -> bool {
    /// No registered method is longer.
    const METHOD_BYTES_MAX: usize = 32;
    let start = &bytes[..bytes.len().min(METHOD_BYTES_MAX + 1)];
    let method = start.split(|&byte| byte == b' ').next().unwrap_or_default();
    let is_empty = method.is_empty() && !bytes.is_empty();
    let is_method = method.len() <= METHOD_BYTES_MAX
        && !is_empty
        && method.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    is_method || bytes == b"\r"
}

impl<'a> Head<'a> {
    /// Reads the bytes of a whole head, which begins with its request line. What this accepts obeys the rules of D39.
    pub(super) fn parse(bytes: &'a [u8], headers: &'a mut [Header<'a>; HEADERS_MAX]) -> Result<Self, HeadError> {
        let mut request = Request::new(headers);
        match request.parse(bytes) {
            Ok(Status::Complete(length)) if length == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyHeaders),
            Ok(_) | Err(_) => return Err(HeadError::Malformed(NOT_HTTP)),
        }
        let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
            return Err(HeadError::Malformed(NOT_HTTP));
        };
        let (path, query) = path_and_query(method, target)?;
        let mut head = Self {
            method,
            path,
            query,
            version,
            has_body: false,
            headers: request.headers,
        };
        head.check_host()?;
        head.has_body = head.announces_body()?;
        Ok(head)
    }

    /// The value of every header of this name, in order. A value may be no text.
    pub(super) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    /// The value of the header of this name, if there is exactly one.
    pub(super) fn sole(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Whether there is a header of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Whether a comma-separated header contains this token, in any case.
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Whether another request may follow. Bytes behind a body or a CONNECT are none.
    pub(super) fn keeps_alive(&self) -> bool {
        self.version == 1 && !self.has_body && self.method != "CONNECT" && !self.lists("connection", "close")
    }

    fn check_host(&self) -> Result<(), HeadError> {
        let mut hosts = self.all("host");
        match hosts.next() {
            None if self.version == 0 => Ok(()),
            None => Err(HeadError::Malformed("The `Host` header is missing.")),
            Some(_) if hosts.next().is_some() => Err(HeadError::Malformed("The `Host` header is repeated.")),
            Some(host) if host.iter().all(|&byte| may_be_in_host(byte)) => Ok(()),
            Some(_) => Err(HeadError::Malformed("The `Host` header names no host.")),
        }
    }

    fn announces_body(&self) -> Result<bool, HeadError> {
        let is_coded = self.has("transfer-encoding");
        if !self.has("content-length") {
            return Ok(is_coded);
        }
        match self.sole("content-length") {
            None => Err(HeadError::Malformed("The `Content-Length` header is repeated.")),
            Some(_) if is_coded => Err(HeadError::Malformed(
                "`Content-Length` and `Transfer-Encoding` exclude each other.",
            )),
            Some(length) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
                Ok(length.iter().any(|&digit| digit != b'0'))
            }
            Some(_) => Err(HeadError::Malformed("The `Content-Length` header is no number.")),
        }
    }
}

fn may_be_in_host(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b',' | b'/' | b'?' | b'#' | b'@' | b'\\' | b'"' | b'<' | b'>')
}

/// Path and query of a request target in any of its forms (RFC 9112, section 3.2).
fn path_and_query<'a>(method: &str, target: &'a str) -> Result<(&'a str, Option<&'a str>), HeadError> {
    if method == "CONNECT" {
        return Ok((target, None));
    }
    if target == "*" {
        return match method {
            "OPTIONS" => Ok((target, None)),
            _ => Err(HeadError::Malformed("Only OPTIONS may have the target `*`.")),
        };
    }
    let no_target = HeadError::Malformed("The request target is neither a path nor an http URL.");
    let local = if target.starts_with('/') {
        target
    } else {
        let (scheme, rest) = target.split_once("://").ok_or(no_target)?;
        let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if !is_http || authority.is_empty() {
            return Err(no_target);
        }
        &rest[authority.len()..]
    };
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (local, None),
    };
    Ok((if path.is_empty() { "/" } else { path }, query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_pieces_break() {
        for head in ["G\r\na: b\r\n\r\n", "G\na: b\n\n", "G\r\na: b\n\r\n", "G\na: b\r\n\n"] {
            let bytes = [head.as_bytes(), b"rest\r\n\r\n"].concat();
            for searched in 0..head.len() {
                assert_eq!(
                    find_end(&bytes, searched),
                    Some(head.len()),
                    "{head:?}, searched {searched}"
                );
            }
            assert_eq!(find_end(&head.as_bytes()[..head.len() - 1], 0), None, "{head:?}");
        }
        // What was searched is not searched again.
        assert_eq!(find_end(b"\n\na: b", 4), None);
        assert_eq!(find_end(b"", 0), None);
        assert_eq!(find_end(b"a", 9), None);
    }

    #[test]
    fn what_is_no_method_is_seen_at_once() {
        for good in [&b""[..], b"\r", b"GE", b"GET /v2/ws HTTP", b"M-SEARCH * HTTP/1.1"] {
            assert!(may_begin_request(good), "{good:?}");
        }
        let long = [b'A'; 40];
        for bad in [
            &b"\x16\x03\x01\x02\x00\x01"[..],
            b"{\"type\":\"Ping\"}",
            b" GET",
            b"\rG",
            b"PING\r\n",
            &long,
        ] {
            assert!(!may_begin_request(bad), "{bad:?}");
        }
    }

    #[test]
    fn tokens_are_found_in_lists_of_any_case() {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let head = Head::parse(
            b"GET /v2/ws?a=b HTTP/1.1\r\nHost: a\r\nX: \xff\r\nConnection: keep-alive, UPGRADE\r\nConnection: \xff, x\r\n\r\n",
            &mut headers,
        )
        .expect("a well-formed head");
        assert!(head.lists("connection", "upgrade"));
        assert!(head.lists("connection", "x"));
        assert!(!head.lists("connection", "close"));
        assert_eq!((head.path, head.query), ("/v2/ws", Some("a=b")));
        assert_eq!(head.all("x").collect::<Vec<_>>(), [b"\xff"]);
    }

    #[test]
    fn targets_come_in_four_forms() {
        let no_target = "The request target is neither a path nor an http URL.";
        for (method, target, expected) in [
            ("GET", "/a?b?c", Ok(("/a", Some("b?c")))),
            ("GET", "http://host/a?b", Ok(("/a", Some("b")))),
            ("GET", "HTTPS://host:1/a", Ok(("/a", None))),
            ("GET", "http://host", Ok(("/", None))),
            ("GET", "http://host?b", Ok(("/", Some("b")))),
            ("GET", "http:///a", Err(no_target)),
            ("GET", "ftp://host/a", Err(no_target)),
            ("GET", "host:443", Err(no_target)),
            ("GET", "a", Err(no_target)),
            ("CONNECT", "host:443", Ok(("host:443", None))),
            ("OPTIONS", "*", Ok(("*", None))),
            ("GET", "*", Err("Only OPTIONS may have the target `*`.")),
        ] {
            let expected = expected.map_err(HeadError::Malformed);
            assert_eq!(path_and_query(method, target), expected, "{method} {target}");
        }
    }
}
