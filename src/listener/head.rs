//! An HTTP/1.1 request head.

use httparse::{Header, Request, Status};

/// More headers than this are refused.
pub(super) const HEADERS_MAX: usize = 64;

/// A parsed head, borrowed from the bytes it came in.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    /// Minor version: 0 or 1.
    pub(crate) version: u8,
    headers: &'a [Header<'a>],
}

/// Why bytes are no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadError {
    Malformed,
    TooManyHeaders,
}

/// Finds the blank line that ends a head, and returns the head's length with it. The first `searched` bytes are known
/// not to hold it, so that a head that trickles in costs linear time.
pub(super) fn find_end(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    bytes[from..]
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| from + at + 4)
}

/// Whether the bytes can still become a request: what comes before the first space is a method.
pub(super) fn may_begin_request(bytes: &[u8]) -> bool {
    /// No registered method is longer.
    const METHOD_BYTES_MAX: usize = 32;
    let method = bytes.split(|&byte| byte == b' ').next().unwrap_or_default();
    method.len() <= METHOD_BYTES_MAX && method.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

impl<'a> Head<'a> {
    pub(super) fn parse(bytes: &'a [u8], headers: &'a mut [Header<'a>; HEADERS_MAX]) -> Result<Self, HeadError> {
        let mut request = Request::new(headers);
        match request.parse(bytes) {
            Ok(Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyHeaders),
            Ok(Status::Partial) | Err(_) => return Err(HeadError::Malformed),
        }
        let target = request.path.ok_or(HeadError::Malformed)?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Ok(Self {
            method: request.method.ok_or(HeadError::Malformed)?,
            path,
            query,
            version: request.version.ok_or(HeadError::Malformed)?,
            headers: request.headers,
        })
    }

    /// The first header of this name, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Every header of this name, in order.
    pub(crate) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        let headers = self.headers;
        let name = name.to_owned();
        headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(&name))
            .filter_map(|header| std::str::from_utf8(header.value).ok())
    }

    /// Whether a comma-separated header contains this token, in any case.
    pub(crate) fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_pieces_break() {
        let bytes = b"GET / HTTP/1.1\r\na: b\r\n\r\nrest";
        for searched in 0..=23 {
            assert_eq!(find_end(bytes, searched), Some(24), "searched {searched}");
        }
        assert_eq!(find_end(&bytes[..23], 0), None);
    }

    #[test]
    fn what_is_no_method_is_seen_at_once() {
        assert!(may_begin_request(b""));
        assert!(may_begin_request(b"GE"));
        assert!(may_begin_request(b"GET /v2/ws HTTP"));
        assert!(!may_begin_request(b"\x16\x03\x01\x02\x00\x01"));
        assert!(!may_begin_request(b"{\"type\":\"Ping\"}"));
        assert!(!may_begin_request(&[b'A'; 40]));
    }

    #[test]
    fn tokens_are_found_in_lists_of_any_case() {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let head = Head::parse(
            b"GET /v2/ws?a=b HTTP/1.1\r\nConnection: keep-alive, UPGRADE\r\nUpgrade: WebSocket\r\n\r\n",
            &mut headers,
        )
        .expect("a well-formed head");
        assert!(head.lists("connection", "upgrade"));
        assert!(head.lists("upgrade", "websocket"));
        assert!(!head.lists("connection", "close"));
        assert_eq!((head.path, head.query), ("/v2/ws", Some("a=b")));
    }
}
