//! What is served as it is: a page, or a part of one (protocol 1).

use super::head::Head;

/// A body that never changes while the server runs.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    /// Value of `content-type`.
    pub content_type: &'static str,
    /// Entity tag as it stands in the header `etag`. It names the content, in whatever encoding.
    pub tag: String,
    /// Header lines of every answer with this asset, `etag` among them, each ended with CRLF.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
    /// The body in gzip, for clients that take it.
    pub gzip: Option<Vec<u8>>,
    /// Whether a client that asks for an unknown path is told of this one.
    pub is_listed: bool,
}

impl Asset {
    /// The body for this client and whether it is in gzip.
    pub(super) fn body_for(&'static self, head: &Head<'_>) -> (&'static [u8], bool) {
        match &self.gzip {
            Some(gzip) if takes_gzip(head) => (gzip, true),
            _ => (&self.body, false),
        }
    }

    /// Whether the client holds this content already (RFC 9110 section 13.1.2).
    pub(super) fn is_known_to(&self, head: &Head<'_>) -> bool {
        let tag = opaque(self.tag.as_bytes());
        items(head, "if-none-match").any(|item| item == b"*" || opaque(item) == tag)
    }
}

/// Whether `Accept-Encoding` lists gzip with a weight other than 0 (RFC 9110 section 12.5.3).
fn takes_gzip(head: &Head<'_>) -> bool {
    items(head, "accept-encoding").any(|item| {
        let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let is_gzip = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case(b"gzip"));
        is_gzip && !parts.any(is_zero_weight)
    })
}

/// `q=0`, `q=0.0` and so on.
fn is_zero_weight(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', weight @ ..] => weight.iter().all(|byte| matches!(byte, b'0' | b'.')),
        _ => false,
    }
}

/// The items of a comma-separated header.
fn items<'a>(head: &Head<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    head.all(name)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
}

/// An entity tag without the mark of a weak one: that difference does not count here.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}
