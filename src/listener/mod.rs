//! What a connection does before it speaks WebSocket: one HTTP/1.1 head, one answer (spec 1, D29, D35, D36, D39).

mod client_address;
mod head;
mod upgrade;

pub use client_address::TrustedProxies;

use crate::http::{self, Answer, Origins};
use head::{Head, HeadError};
use signal_fish_runtime::{Acceptor, Handler, Hint, Incoming, ReadError, Upgraded};
use std::net::IpAddr;
use std::sync::Arc;

/// Longest head, in bytes.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Reads heads and routes them; one per shard.
#[derive(Debug, Clone)]
pub struct HttpAcceptor {
    /// Who may upgrade and read from a browser.
    pub origins: Arc<Origins>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Arc<TrustedProxies>,
}

/// What becomes of a request.
enum Outcome {
    Answer(Answer),
    Upgrade {
        answer: Vec<u8>,
        ip: IpAddr,
        hint: Option<Box<Hint>>,
    },
}

impl Acceptor for HttpAcceptor {
    async fn accept<H: Handler>(&self, incoming: &mut Incoming<'_, H>) -> Option<Upgraded> {
        let mut bytes = Vec::new();
        let outcome = match read_head(incoming, &mut bytes).await {
            Ok(Some(length)) => {
                let outcome = self.route(&bytes[..length], incoming.peer(), incoming.is_draining());
                bytes.drain(..length);
                outcome
            }
            Ok(None) => return None,
            Err(answer) => Outcome::Answer(answer),
        };
        match outcome {
            Outcome::Answer(answer) => {
                incoming.respond(&answer.into_bytes());
                None
            }
            Outcome::Upgrade { answer, ip, hint } => {
                incoming.respond(&answer);
                Some(Upgraded {
                    ip,
                    unread: bytes,
                    hint,
                })
            }
        }
    }

    fn draining_answer(&self) -> Vec<u8> {
        http::draining().into_bytes()
    }
}

/// Reads until the head is complete and returns its length; `None` when the client went away.
async fn read_head<H: Handler>(incoming: &mut Incoming<'_, H>, bytes: &mut Vec<u8>) -> Result<Option<usize>, Answer> {
    let mut searched = 0_usize;
    loop {
        if let Some(length) = head::find_end(bytes, searched) {
            return if length > HEAD_BYTES_MAX {
                Err(http::head_too_large())
            } else {
                Ok(Some(length))
            };
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(http::head_too_large());
        }
        if !head::may_begin_request(bytes) {
            return Err(http::bad_request("This is not an HTTP/1.1 request."));
        }
        searched = bytes.len();
        match incoming.read(bytes, HEAD_BYTES_MAX + 1 - searched).await {
            Ok(()) => {}
            Err(ReadError::Ended) => return Ok(None),
            Err(ReadError::Timeout) if incoming.is_draining() => return Err(http::draining()),
            Err(ReadError::Timeout) => return Err(http::head_timeout()),
        }
    }
}

impl HttpAcceptor {
    fn route(&self, bytes: &[u8], peer: IpAddr, draining: bool) -> Outcome {
        let mut headers = [httparse::EMPTY_HEADER; head::HEADERS_MAX];
        let head = match Head::parse(bytes, &mut headers) {
            Ok(head) => head,
            Err(HeadError::TooManyHeaders) => return Outcome::Answer(http::head_too_large()),
            Err(HeadError::Malformed) => {
                return Outcome::Answer(http::bad_request("This is not an HTTP/1.1 request."));
            }
        };
        let outcome = self.answer(&head, peer, draining);
        match outcome {
            Outcome::Answer(answer) => {
                let answer = answer.with_headers(self.origins.headers_for(head.header("origin")));
                Outcome::Answer(if head.method == "HEAD" {
                    answer.without_body()
                } else {
                    answer
                })
            }
            upgrade @ Outcome::Upgrade { .. } => upgrade,
        }
    }

    fn answer(&self, head: &Head<'_>, peer: IpAddr, draining: bool) -> Outcome {
        let known = matches!(head.path, "/v2/ws" | "/v2/health" | "/healthz" | "/readyz");
        if head.method == "OPTIONS" && head.header("access-control-request-method").is_some() {
            return Outcome::Answer(http::preflight());
        }
        if !known {
            return Outcome::Answer(http::not_found());
        }
        if !matches!(head.method, "GET" | "HEAD") {
            return Outcome::Answer(http::method_not_allowed());
        }
        Outcome::Answer(match head.path {
            "/v2/health" | "/healthz" => http::ok(),
            "/readyz" if draining => http::draining(),
            "/readyz" => http::ok(),
            _ if draining => http::draining(),
            _ => match upgrade::check(head, &self.origins) {
                Err(answer) => answer,
                Ok(answer) => {
                    let ip = self.trusted_proxies.client_address(peer, head);
                    return Outcome::Upgrade {
                        answer,
                        ip,
                        hint: upgrade::hint(head.query),
                    };
                }
            },
        })
    }
}
