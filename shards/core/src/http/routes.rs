//! What a listener serves, and what one request of it gets (D29, D35, D43).

use super::answer::{self, Answer};
use super::asset::Asset;
use super::client_address::TrustedProxies;
use super::desk::Access;
use super::head::Head;
use super::origins::Origins;
use super::token_binding::{self, Binding, TokenBinding};
use super::upgrade::{self, Asks, Upgrade};
use crate::slot::ListenerIndex;
use std::net::IpAddr;

/// What one listener serves. All shards share it. `P` names a protocol.
#[derive(Debug, Clone)]
pub struct Site<P> {
    /// The paths.
    pub routes: Routes<P>,
    /// Who may upgrade and read from a browser.
    pub origins: Origins,
    /// Peers that are believed about their clients.
    pub trusted_proxies: TrustedProxies,
    /// Whether its connections begin with a TLS handshake.
    pub secure: bool,
    /// Clients that sign their messages, if any may.
    pub token_binding: Option<TokenBinding<P>>,
}

/// What the listeners serve, one [`Site`] each.
#[derive(Debug, Clone)]
pub struct Sites<P> {
    main: Site<P>,
    others: Vec<Site<P>>,
}

impl<P> Sites<P> {
    /// The main listener's site, then those of the others in the order of their indices. There are at most 256 in all.
    #[must_use]
    pub fn new(main: Site<P>, others: Vec<Site<P>>) -> Self {
        Self { main, others }
    }

    /// What a listener serves.
    #[must_use]
    pub fn of(&self, listener: ListenerIndex) -> &Site<P> {
        match usize::from(listener.0).checked_sub(1) {
            None => &self.main,
            // There is a site for every listener.
            Some(at) => self.others.get(at).unwrap_or(&self.main),
        }
    }

    /// Every listener.
    pub fn listeners(&self) -> impl Iterator<Item = ListenerIndex> + use<P> {
        (0..=u8::MAX).map(ListenerIndex).take(1 + self.others.len())
    }
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<P> {
    /// A WebSocket that speaks this protocol.
    WebSocket(P),
    /// Whether the server runs: 200 for as long as it does.
    Health,
    /// 200 with this text for as long as the server runs.
    Text(&'static str),
    /// Whether newcomers are welcome, as far as one shard knows: 503 while the server drains.
    Ready,
    /// The same, in these words: 200 with the first, 503 with the second.
    ReadyText(&'static str, &'static str),
    /// What the shard cannot answer by itself: the request goes to the desk, and the connection waits.
    Desk(Access),
    /// A page, or a part of one.
    Asset(&'static Asset),
}

/// What one request gets, if not an answer at once.
pub(super) enum Served<P> {
    /// The connection speaks a protocol from now on.
    Upgrade(Upgrade<P>),
    /// The answer of the desk.
    Desk,
}

/// One table: path → what is there. A path matches as a whole, byte by byte; one that ends with `/*` stands for everything
/// below it.
#[derive(Debug, Clone)]
pub struct Routes<P> {
    table: Vec<(&'static str, Target<P>)>,
    /// What is at every path of one segment, which names a room.
    rooms: Option<P>,
    /// What the desk knows the paths by: it stands before them.
    desk_prefix: &'static str,
}

/// What the shard knows of a connection while it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The server is shutting down.
    pub draining: bool,
    /// The connection holds its ticket (D43). Without one plain HTTP is answered 429. An upgrade is accepted all the same,
    /// because its protocol tells why it ends (D27).
    pub ticket: bool,
    /// It has none because an operator has banned its address: plain HTTP is answered 403.
    pub banned: bool,
    /// SHA-256 of the certificate that the client showed in its TLS handshake.
    pub certificate: Option<[u8; 32]>,
}

impl<P> Routes<P> {
    /// From the table itself. The first of equal paths counts.
    #[must_use]
    pub fn new(table: Vec<(&'static str, Target<P>)>) -> Self {
        Self {
            table,
            rooms: None,
            desk_prefix: "",
        }
    }

    /// Adds a path, behind all others.
    pub fn add(&mut self, path: &'static str, target: Target<P>) {
        self.table.push((path, target));
    }

    /// As before, and every path of at most one segment is a WebSocket that speaks this protocol. Its segment,
    /// percent-decoded, is the room. What the table has at such a path is for requests that are no upgrades.
    #[must_use]
    pub fn with_rooms(self, protocol: P) -> Self {
        Self {
            rooms: Some(protocol),
            ..self
        }
    }

    /// As before, and the desk is asked with this in front of the path: it serves several listeners.
    #[must_use]
    pub fn with_desk_prefix(self, desk_prefix: &'static str) -> Self {
        Self { desk_prefix, ..self }
    }

    /// The path by which the desk knows what is at a path here.
    pub(super) fn desk_path(&self, path: &str) -> Box<str> {
        format!("{}{path}", self.desk_prefix).into()
    }

    /// What is at this path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Target<P>> {
        self.table
            .iter()
            .find(|(known, _)| match known.strip_suffix('*') {
                Some(above) => path.len() > above.len() && path.starts_with(above),
                None => *known == path,
            })
            .map(|(_, target)| target)
    }

    /// The paths that a client is told of: all but the parts of pages.
    fn paths(&self) -> Vec<&'static str> {
        let rooms = self.rooms.iter().map(|_| "/{room}");
        self.table
            .iter()
            .filter(|(_, target)| !matches!(target, Target::Asset(asset) if !asset.is_listed))
            .map(|(path, _)| *path)
            .chain(rooms)
            .collect()
    }
}

impl<P: Copy + PartialEq> Site<P> {
    /// What a request gets: what is served, or an answer.
    pub(super) fn serve(&self, head: &Head<'_>, peer: IpAddr, standing: Standing) -> Result<Served<P>, Answer> {
        let target = self.target(head);
        if let Ok(Target::WebSocket(protocol)) = target {
            if standing.draining {
                return Err(answer::draining());
            }
            let certificate =
                token_binding::client_certificate(head, &self.trusted_proxies, peer, standing.certificate);
            match self.handshake(protocol, head, certificate.as_deref()) {
                Ok((binding, answer)) => {
                    return Ok(Served::Upgrade(Upgrade {
                        protocol,
                        client: self.trusted_proxies.client_address(peer, head),
                        room: self.room(head)?,
                        asks: Asks::of(head),
                        is_secure: self.trusted_proxies.says_secure(peer, head),
                        certificate,
                        query: head.query.map(Box::from),
                        binding: binding.map(Box::new),
                        answer,
                    }));
                }
                Err(refusal) if standing.ticket => return Err(refusal),
                Err(_) => {}
            }
        }
        if standing.banned {
            return Err(answer::forbidden("This address is banned."));
        }
        if !standing.ticket {
            return Err(answer::too_many_connections());
        }
        Err(match target {
            Ok(Target::ReadyText(_, text)) if standing.draining => answer::not_ready(text),
            Ok(Target::ReadyText(text, _)) => answer::text(text),
            Ok(Target::Ready | Target::Desk(Access::Public | Access::Private)) if standing.draining => {
                answer::draining()
            }
            Ok(Target::Desk(_)) if !standing.draining => {
                if !head.has_body {
                    return Ok(Served::Desk);
                }
                answer::bad_request("Requests for this path have no body.")
            }
            Ok(Target::Text(text)) => answer::text(text),
            Ok(Target::Asset(asset)) => answer::asset(asset, head),
            Ok(_) => answer::ok(),
            Err(answer) => answer,
        })
    }

    /// The binding that an upgrade comes to, and its 101 answer.
    fn handshake(
        &self,
        protocol: P,
        head: &Head<'_>,
        certificate: Option<&str>,
    ) -> Result<(Option<Binding>, Vec<u8>), Answer> {
        let key = upgrade::check(head, &self.origins)?;
        let binding = match &self.token_binding {
            Some(rules) if rules.protocol == protocol => rules.negotiate(head, key, certificate)?,
            _ => None,
        };
        let answer = upgrade::accept(key, binding.as_ref());
        Ok((binding, answer))
    }

    /// The room that the path names, where paths name rooms.
    fn room(&self, head: &Head<'_>) -> Result<Option<Box<str>>, Answer> {
        let segment = head.path.strip_prefix('/').filter(|segment| !segment.is_empty());
        let Some(segment) = segment.filter(|_| self.routes.rooms.is_some()) else {
            return Ok(None);
        };
        match upgrade::percent_decoded(segment) {
            Some(room) => Ok(Some(room.into())),
            None => Err(answer::bad_request("The path is not percent-encoded UTF-8")),
        }
    }

    /// What the request asks for, if it asks with the right method.
    fn target(&self, head: &Head<'_>) -> Result<Target<P>, Answer> {
        let in_table = self.routes.find(head.path);
        if let Some(Target::Desk(Access::Private)) = in_table {
            // The desk knows the methods, and no page of another origin is told any.
            return Ok(Target::Desk(Access::Private));
        }
        match head.method {
            "CONNECT" => return Err(answer::no_proxy()),
            "OPTIONS" if head.has("access-control-request-method") => return Err(answer::preflight()),
            "OPTIONS" if head.path == "*" => return Err(answer::options()),
            _ => {}
        }
        let in_table = in_table.copied();
        let target = match self.routes.rooms.filter(|_| is_segment(head.path)) {
            Some(protocol) if in_table.is_none() || head.has("upgrade") => {
                self.room(head)?;
                Some(Target::WebSocket(protocol))
            }
            _ => in_table,
        };
        let Some(target) = target else {
            return Err(answer::not_found(&self.routes.paths()));
        };
        match head.method {
            "GET" | "HEAD" => Ok(target),
            _ => Err(answer::method_not_allowed()),
        }
    }

    /// Header lines that tell a browser which pages may read the answer to this request.
    pub(super) fn headers_for(&self, head: &Head<'_>) -> String {
        match self.routes.find(head.path) {
            Some(Target::Desk(Access::Private)) => String::new(),
            _ => self.origins.headers_for(head.sole("origin")),
        }
    }
}

/// Whether a path has at most one segment.
fn is_segment(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|segment| !segment.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_as_a_whole() {
        let routes = Routes::new(vec![("/v2/ws", Target::WebSocket(2)), ("/healthz", Target::Health)]);
        assert_eq!(routes.find("/v2/ws"), Some(&Target::WebSocket(2)));
        for other in ["/v2/ws/", "/V2/WS", "/v2", "/v2/%77s", "", "*"] {
            assert_eq!(routes.find(other), None, "{other}");
        }
        assert_eq!(routes.paths(), ["/v2/ws", "/healthz"]);
    }

    #[test]
    fn a_star_stands_for_everything_below() {
        let below: Target<u8> = Target::Desk(Access::Private);
        let routes = Routes::new(vec![("/admin/*", below)]);
        for path in ["/admin/a", "/admin/a/b", "/admin//"] {
            assert_eq!(routes.find(path), Some(&below), "{path}");
        }
        for path in ["/admin", "/admin/", "/Admin/a", "/", "*"] {
            assert_eq!(routes.find(path), None, "{path}");
        }
    }
}
