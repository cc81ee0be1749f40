//! Routes of the embedding program: what a GET at a path is answered.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use signal_fish_core::http::{Access, Body, DeskAnswer, Inquiry, Target};
use signal_fish_core::protocol::Protocol;
use signal_fish_core::{ShardIndex, Slot};
use signal_fish_runtime::{Mail, Mailbox};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// Requests that wait for their handler; more get 503.
const REQUESTS_MAX: usize = 256;
/// Longest body of an answer, in bytes. What is longer is answered with 500, because it waits in the memory of a shard.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What the table of paths has at such a route.
pub(crate) const TARGET: Target<Protocol> = Target::Desk(Access::Public);

/// A request for a route of the embedding program.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpRequest {
    /// Path, as it came.
    pub path: Box<str>,
    /// Query without its `?`, as it came.
    pub query: Option<Box<str>>,
    /// The header `Authorization`, if there is one and it is text. A secret.
    pub authorization: Option<Box<str>>,
    /// Address of the client, proxies taken into account (D23).
    pub client: IpAddr,
}

/// An answer. HEAD gets it without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    status: &'static str,
    content_type: &'static str,
    body: Arc<[u8]>,
}

impl HttpResponse {
    /// 200 with plain text in UTF-8.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::new("200 OK", "text/plain; charset=utf-8", body.into().into_bytes())
    }

    /// 200 with JSON.
    #[must_use]
    pub fn json(body: impl Into<String>) -> Self {
        Self::new("200 OK", "application/json", body.into().into_bytes())
    }

    /// 200 with a page of HTML in UTF-8.
    #[must_use]
    pub fn html(body: impl Into<String>) -> Self {
        Self::new("200 OK", "text/html; charset=utf-8", body.into().into_bytes())
    }

    /// 404.
    #[must_use]
    pub fn not_found() -> Self {
        let body = b"There is nothing at this path.".to_vec();
        Self::new("404 Not Found", "text/plain; charset=utf-8", body)
    }

    /// 401: the request does not show the right `Authorization`.
    #[must_use]
    pub fn unauthorized() -> Self {
        let body = b"This path needs `Authorization` with the right token.".to_vec();
        Self::new("401 Unauthorized", "text/plain; charset=utf-8", body)
    }

    /// 400, with a text that says what is wrong with the request.
    #[must_use]
    pub fn bad_request(why: impl Into<String>) -> Self {
        Self::new("400 Bad Request", "text/plain; charset=utf-8", why.into().into_bytes())
    }

    fn new(status: &'static str, content_type: &'static str, body: Vec<u8>) -> Self {
        if body.len() > BODY_BYTES_MAX {
            let body = b"The answer is too long.".to_vec();
            return Self::new("500 Internal Server Error", "text/plain; charset=utf-8", body);
        }
        Self {
            status,
            content_type,
            body: body.into(),
        }
    }
}

/// Answers the requests of one route.
pub trait Handler: Send {
    /// Answers one request. A shard waits 10 s for it and then answers 503; others are not held up.
    fn handle(&mut self, request: &HttpRequest) -> HttpResponse;
}

impl<F: FnMut(&HttpRequest) -> HttpResponse + Send> Handler for F {
    fn handle(&mut self, request: &HttpRequest) -> HttpResponse {
        self(request)
    }
}

/// The routes of the embedding program.
#[derive(Default)]
pub(crate) struct OwnRoutes(Vec<(&'static str, Box<dyn Handler>)>);

impl fmt::Debug for OwnRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.paths()).finish()
    }
}

impl OwnRoutes {
    pub(crate) fn add(&mut self, path: &'static str, handler: Box<dyn Handler>) {
        self.0.push((path, handler));
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(path, _)| *path)
    }
}

/// Who waits for the answer of a route.
#[derive(Debug)]
struct Waiting {
    shard: ShardIndex,
    slot: Slot,
    number: u8,
    route: usize,
    request: HttpRequest,
}

/// The thread on which handlers run, seen by the desk. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct RouteThread {
    paths: Vec<&'static str>,
    to: Sender<Waiting>,
}

impl RouteThread {
    /// Starts it; nothing if there are no routes.
    pub(crate) fn spawn(routes: OwnRoutes, mailboxes: Arc<[Mailbox]>) -> io::Result<Option<Self>> {
        let paths: Vec<_> = routes.paths().collect();
        if paths.is_empty() {
            return Ok(None);
        }
        let (to, from) = bounded(REQUESTS_MAX);
        std::thread::Builder::new()
            .name("routes".to_owned())
            .spawn(move || answer_all(routes, &from, &mailboxes))?;
        Ok(Some(Self { paths, to }))
    }

    /// Passes a request on to its handler. Returns whether it was one for a route of the embedding program.
    ///
    /// # Errors
    /// The answer, if there is no time for it.
    pub(crate) fn pass(
        &self,
        shard: ShardIndex,
        slot: Slot,
        number: u8,
        inquiry: &Inquiry,
    ) -> Result<bool, DeskAnswer> {
        let Some(route) = self.paths.iter().position(|path| fits(path, &inquiry.path)) else {
            return Ok(false);
        };
        let request = HttpRequest {
            path: inquiry.path.clone(),
            query: inquiry.query.clone(),
            authorization: inquiry.authorization.clone(),
            client: inquiry.client,
        };
        let waiting = Waiting {
            shard,
            slot,
            number,
            route,
            request,
        };
        match self.to.try_send(waiting) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(DeskAnswer::unavailable()),
        }
    }
}

fn fits(route: &str, path: &str) -> bool {
    match route.strip_suffix('*') {
        Some(above) => path.len() > above.len() && path.starts_with(above),
        None => route == path,
    }
}

fn answer_all(mut routes: OwnRoutes, from: &Receiver<Waiting>, mailboxes: &[Mailbox]) {
    while let Ok(waiting) = from.recv() {
        let Some((_, handler)) = routes.0.get_mut(waiting.route) else {
            continue;
        };
        let HttpResponse {
            status,
            content_type,
            body,
        } = handler.handle(&waiting.request);
        let answer = DeskAnswer {
            status,
            content_type,
            headers: "",
            body: Body::Whole(body),
        };
        if let Some(mailbox) = mailboxes.get(usize::from(waiting.shard.0)) {
            // A shard that does not take the answer has ended, or tells its client after a while.
            let (slot, number) = (waiting.slot, waiting.number);
            let _ = mailbox.try_send(Mail::Answer { slot, number, answer });
        }
    }
}
