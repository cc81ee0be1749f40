//! Requests that are answered elsewhere, by the desk: what is asked, and what comes back (protocol 1).

use super::head::Head;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// How a path of the desk may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// With GET and HEAD, from every page that may use this server. 503 while the server drains.
    Public,
    /// The same, but 200 while the server drains.
    Alive,
    /// With the methods that the desk takes. No page of another origin may read the answer. 503 while the server drains.
    Private,
}

/// A request for the desk. Its size is bounded by that of a head.
#[derive(Clone, PartialEq, Eq)]
pub struct Inquiry {
    /// Method, as it came.
    pub method: Box<str>,
    /// Path, as it came.
    pub path: Box<str>,
    /// Query, as it came.
    pub query: Option<Box<str>>,
    /// The header `Authorization`, if there is one and it is text. A secret: it is never shown.
    pub authorization: Option<Box<str>>,
    /// Address of the client (D23).
    pub client: IpAddr,
}

impl Inquiry {
    pub(super) fn new(head: &Head<'_>, client: IpAddr) -> Self {
        let authorization = head.sole("authorization").and_then(|value| str::from_utf8(value).ok());
        Self {
            method: head.method.into(),
            path: head.path.into(),
            query: head.query.map(Box::from),
            authorization: authorization.map(Box::from),
            client,
        }
    }
}

impl fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inquiry")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// What the desk answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskAnswer {
    /// Code and phrase, such as `200 OK`.
    pub status: &'static str,
    /// Value of `content-type`.
    pub content_type: &'static str,
    /// More header lines, each ended with CRLF.
    pub headers: &'static str,
    /// What follows.
    pub body: Body,
}

/// What follows the head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// These bytes.
    Whole(Arc<[u8]>),
    /// Pieces that come one by one, until the connection ends.
    Stream,
}

impl DeskAnswer {
    /// The desk has no time for this request, or the shard waited for it in vain.
    #[must_use]
    pub fn unavailable() -> Self {
        Self {
            status: "503 Service Unavailable",
            content_type: "text/plain; charset=utf-8",
            headers: "retry-after: 1\r\n",
            body: Body::Whole(Arc::from(&b"No answer can be given now."[..])),
        }
    }

    /// Every stream that a shard may serve is taken.
    #[must_use]
    pub fn too_many_streams() -> Self {
        Self {
            body: Body::Whole(Arc::from(&b"Too many streams are open."[..])),
            ..Self::unavailable()
        }
    }
}

/// What an answer has to be like, kept while it is waited for.
#[derive(Debug)]
pub(super) struct Awaited {
    /// Header lines, each ended with CRLF.
    pub(super) headers: String,
    pub(super) without_body: bool,
    pub(super) closes: bool,
}

impl DeskAnswer {
    /// Appends the bytes to send. A stream has no length: it ends with its connection.
    pub(super) fn write(&self, awaited: &Awaited, out: &mut Vec<u8>) {
        let length = match &self.body {
            Body::Whole(bytes) => format!("content-length: {}\r\n", bytes.len()),
            Body::Stream => String::new(),
        };
        for part in [
            "HTTP/1.1 ",
            self.status,
            "\r\ncontent-type: ",
            self.content_type,
            "\r\n",
            &length,
            if awaited.closes { "connection: close\r\n" } else { "" },
            "cache-control: no-store\r\n",
            self.headers,
            &awaited.headers,
            "\r\n",
        ] {
            out.extend_from_slice(part.as_bytes());
        }
        if let Body::Whole(bytes) = &self.body
            && !awaited.without_body
        {
            out.extend_from_slice(bytes);
        }
    }
}
