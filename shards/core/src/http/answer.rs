//! Plain HTTP answers (protocol 1, D29, D39).

use super::asset::Asset;
use super::head::Head;
use std::borrow::Cow;

/// An answer without what depends on the request it answers.
#[derive(Debug)]
pub(super) struct Answer {
    status: &'static str,
    content_type: &'static str,
    /// Header lines, each ended with CRLF.
    headers: &'static str,
    /// A header line, or nothing.
    encoding: &'static str,
    body: Cow<'static, [u8]>,
    /// The client has the body already; the headers still tell its length.
    is_known: bool,
}

/// What depends on the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form<'a> {
    /// Header lines, each ended with CRLF.
    pub(super) headers: &'a str,
    /// The answer of HEAD has the headers of the body and no body.
    pub(super) without_body: bool,
    /// Whether this is the last answer of its connection.
    pub(super) closes: bool,
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

impl Answer {
    fn new(status: &'static str, body: &'static str) -> Self {
        Self {
            status,
            content_type: TEXT,
            headers: "",
            encoding: "",
            body: Cow::Borrowed(body.as_bytes()),
            is_known: false,
        }
    }

    fn with_headers(self, headers: &'static str) -> Self {
        Self { headers, ..self }
    }

    /// Appends the bytes to send.
    pub(super) fn write(&self, form: Form<'_>, out: &mut Vec<u8>) {
        let length = self.body.len().to_string();
        let body: &[u8] = if form.without_body || self.is_known {
            b""
        } else {
            &self.body
        };
        for part in [
            "HTTP/1.1 ",
            self.status,
            "\r\ncontent-type: ",
            self.content_type,
            "\r\ncontent-length: ",
            &length,
            "\r\n",
            if form.closes { "connection: close\r\n" } else { "" },
            self.encoding,
            self.headers,
            form.headers,
            "\r\n",
        ] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(body);
    }
}

/// The server is well.
pub(super) fn ok() -> Answer {
    Answer::new("200 OK", "OK")
}

/// The server is well, and says so in its own words.
pub(super) fn text(text: &'static str) -> Answer {
    Answer::new("200 OK", text)
}

/// The server takes nobody, and says so in its own words.
pub(super) fn not_ready(text: &'static str) -> Answer {
    Answer::new("503 Service Unavailable", text)
}

/// The answer to a CORS preflight; [`super::Origins`] adds the rest.
pub(super) fn preflight() -> Answer {
    Answer::new("200 OK", "").with_headers("access-control-allow-methods: *\r\naccess-control-allow-headers: *\r\n")
}

/// The answer to `OPTIONS *`.
pub(super) fn options() -> Answer {
    Answer::new("200 OK", "").with_headers(ALLOW)
}

/// No such path; names those that exist.
pub(super) fn not_found(paths: &[&str]) -> Answer {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        error: &'static str,
        paths: &'a [&'a str],
    }
    let error = "not found";
    let body = serde_json::to_vec(&Body { error, paths }).unwrap_or_default();
    Answer {
        content_type: JSON,
        body: Cow::Owned(body),
        ..Answer::new("404 Not Found", "")
    }
}

/// A page or a part of one; only its headers if the client has it already.
pub(super) fn asset(asset: &'static Asset, head: &Head<'_>) -> Answer {
    let (body, in_gzip) = asset.body_for(head);
    let is_known = asset.is_known_to(head);
    Answer {
        content_type: asset.content_type,
        encoding: if in_gzip { "content-encoding: gzip\r\n" } else { "" },
        body: Cow::Borrowed(body),
        is_known,
        ..Answer::new(if is_known { "304 Not Modified" } else { "200 OK" }, "").with_headers(&asset.headers)
    }
}

const ALLOW: &str = "allow: GET,HEAD\r\n";

/// A known path with a method that it does not take.
pub(super) fn method_not_allowed() -> Answer {
    Answer::new("405 Method Not Allowed", "").with_headers(ALLOW)
}

/// The answer to CONNECT.
pub(super) fn no_proxy() -> Answer {
    Answer::new("405 Method Not Allowed", "This server is no proxy.").with_headers(ALLOW)
}

/// The request is not what it should be; `reason` says why.
pub(super) fn bad_request(reason: &'static str) -> Answer {
    Answer::new("400 Bad Request", reason)
}

/// The client speaks another version of WebSocket, or none.
pub(super) fn bad_websocket_version(reason: &'static str) -> Answer {
    bad_request(reason).with_headers("sec-websocket-version: 13\r\n")
}

/// The client did not show who it is; `reason` says what is missing.
pub(super) fn unauthorized(reason: &'static str) -> Answer {
    Answer::new("401 Unauthorized", reason)
}

/// The request is refused; `reason` says why.
pub(super) fn forbidden(reason: &'static str) -> Answer {
    Answer::new("403 Forbidden", reason)
}

/// The head did not come in time.
pub(super) fn head_timeout() -> Answer {
    Answer::new("408 Request Timeout", "The request head did not arrive in time.")
}

/// The address of the client, or the whole server, holds too many connections.
pub(super) fn too_many_connections() -> Answer {
    Answer::new(
        "429 Too Many Requests",
        "This address, or the whole server, holds too many connections.",
    )
}

/// The head has too many bytes or headers.
pub(super) fn head_too_large() -> Answer {
    Answer::new(
        "431 Request Header Fields Too Large",
        "The request head is over 8 KiB or 64 headers.",
    )
}

/// The server shuts down.
pub(super) fn draining() -> Answer {
    Answer::new("503 Service Unavailable", "The server is shutting down.")
}

/// The server has no place for another connection.
pub(super) fn full() -> Answer {
    Answer::new("503 Service Unavailable", "The server is full.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_its_body_still_tells_the_length() {
        let form = Form {
            headers: "vary: origin\r\n",
            without_body: true,
            closes: false,
        };
        let mut out = Vec::new();
        ok().write(form, &mut out);
        let text = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\n\
                    vary: origin\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&out), text);
    }
}
