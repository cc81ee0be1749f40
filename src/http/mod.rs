//! Plain HTTP answers (spec 1, D29, D39). Every one carries `Connection: close`: a connection serves one request.

mod origins;

pub use origins::Origins;

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    status: &'static str,
    content_type: &'static str,
    extra_headers: String,
    body: String,
    send_body: bool,
}

impl Answer {
    fn new(status: &'static str, content_type: &'static str, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type,
            extra_headers: String::new(),
            body: body.into(),
            send_body: true,
        }
    }

    /// Adds header lines, each ended with CRLF.
    #[must_use]
    pub fn with_headers(mut self, lines: impl AsRef<str>) -> Self {
        self.extra_headers.push_str(lines.as_ref());
        self
    }

    /// The answer to HEAD: the same without its body.
    #[must_use]
    pub fn without_body(mut self) -> Self {
        self.send_body = false;
        self
    }

    /// The bytes to send.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        let Self {
            status,
            content_type,
            extra_headers,
            body,
            send_body,
        } = self;
        let length = body.len();
        let shown = if send_body { body.as_str() } else { "" };
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\
             {extra_headers}\r\n{shown}"
        )
        .into_bytes()
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// The server is well.
#[must_use]
pub fn ok() -> Answer {
    Answer::new("200 OK", TEXT, "OK")
}

/// The answer to a CORS preflight; its headers come from [`Origins::headers_for`].
#[must_use]
pub fn preflight() -> Answer {
    Answer::new("200 OK", TEXT, "")
        .with_headers("access-control-allow-methods: *\r\naccess-control-allow-headers: *\r\n")
}

/// No such path; names those that exist.
#[must_use]
pub fn not_found() -> Answer {
    Answer::new(
        "404 Not Found",
        JSON,
        r#"{"error":"not found","paths":["/v2/ws","/v2/health","/healthz","/readyz"]}"#,
    )
}

/// A known path with a method that it does not take.
#[must_use]
pub fn method_not_allowed() -> Answer {
    Answer::new("405 Method Not Allowed", TEXT, "").with_headers("allow: GET,HEAD\r\n")
}

/// The request is not what it should be; `reason` says why.
#[must_use]
pub fn bad_request(reason: &'static str) -> Answer {
    Answer::new("400 Bad Request", TEXT, reason)
}

/// The request is refused; `reason` says why.
#[must_use]
pub fn forbidden(reason: &'static str) -> Answer {
    Answer::new("403 Forbidden", TEXT, reason)
}

/// The head did not come in time.
#[must_use]
pub fn head_timeout() -> Answer {
    Answer::new("408 Request Timeout", TEXT, "The request head did not arrive in time.")
}

/// The head has too many bytes or headers.
#[must_use]
pub fn head_too_large() -> Answer {
    Answer::new(
        "431 Request Header Fields Too Large",
        TEXT,
        "The request head is over 8 KiB or 64 headers.",
    )
}

/// The server shuts down.
#[must_use]
pub fn draining() -> Answer {
    Answer::new("503 Service Unavailable", TEXT, "The server is shutting down.")
}
