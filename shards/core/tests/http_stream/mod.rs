//! A client's bytes, and what the server side of HTTP says to them.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::net::IpAddr;
use std::sync::LazyLock;

use signal_fish_core::http::{
    Access, After, Asset, Body, ClientIpHeader, Conversation, DeskAnswer, HEAD_BYTES_MAX, Inquiry, Next, Origins, Read,
    Refusal, Routes, Site, Standing, Target, TrustedProxies, Upgrade,
};

/// The protocol that `/v2/ws` speaks in these tests.
pub(crate) const SPOKEN: u8 = 2;

/// The address of a proxy that is trusted.
pub(crate) const PROXY: &str = "10.0.0.1";

pub(crate) const WELL: Standing = Standing {
    draining: false,
    ticket: true,
    banned: false,
    certificate: None,
};
pub(crate) const DRAINING: Standing = Standing {
    draining: true,
    ticket: true,
    banned: false,
    certificate: None,
};
pub(crate) const WITHOUT_TICKET: Standing = Standing {
    draining: false,
    ticket: false,
    banned: false,
    certificate: None,
};

/// A valid upgrade of `/v2/ws`.
pub(crate) const UPGRADE: &str = "GET /v2/ws?game_name=g HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// At `/page`.
pub(crate) static PAGE: LazyLock<Asset> = LazyLock::new(|| asset(true));
/// At `/part`.
static PART: LazyLock<Asset> = LazyLock::new(|| asset(false));

fn asset(is_listed: bool) -> Asset {
    Asset {
        content_type: "text/html; charset=utf-8",
        tag: "W/\"1-a\"".to_owned(),
        headers: "etag: W/\"1-a\"\r\ncache-control: no-cache\r\n".to_owned(),
        body: b"plain".to_vec(),
        gzip: Some(b"in gzip".to_vec()),
        is_listed,
    }
}

pub(crate) fn site(origins: &str) -> Site<u8> {
    Site {
        routes: Routes::new(vec![
            ("/v2/ws", Target::WebSocket(SPOKEN)),
            ("/v2/health", Target::Health),
            ("/healthz", Target::Health),
            ("/readyz", Target::Ready),
            ("/metrics", Target::Desk(Access::Public)),
            ("/alive", Target::Desk(Access::Alive)),
            ("/admin/*", Target::Desk(Access::Private)),
            ("/page", Target::Asset(&PAGE)),
            ("/part", Target::Asset(&PART)),
        ]),
        origins: Origins::parse(origins),
        trusted_proxies: TrustedProxies::new(
            vec!["10.0.0.0/8".parse().expect("a network")],
            ClientIpHeader::XForwardedFor,
        ),
        secure: false,
        token_binding: None,
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A request without a body.
pub(crate) fn request(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

/// The state of a connection when all bytes were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Idle,
    InAHead,
    Closed,
    Upgraded { upgrade: Upgrade<u8>, rest: Vec<u8> },
}

/// Everything that was said to the client, one text per answer, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Talk {
    pub(crate) answers: Vec<Answer>,
    pub(crate) end: End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        let mut lines = head.split("\r\n");
        let status_line = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status_line.and_then(|line| line.get(..3)).expect("a status line");
        let headers = lines
            .map(|line| line.split_once(": ").expect("a header"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self {
            status: status.parse().expect("a status"),
            headers,
            body: body.to_owned(),
        }
    }

    /// The value of the header of this name (lower case), which is there once at most.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert_eq!(values.next(), None, "{name} is repeated");
        value
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

/// Feeds the pieces one after the other to one connection, as a shard does.
pub(crate) fn talk_in_pieces<'a>(
    site: &Site<u8>,
    peer: &str,
    standing: Standing,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Talk {
    let mut peer = ip(peer);
    let mut conversation = if site.trusted_proxies.introduces(peer) {
        Conversation::behind_proxy()
    } else {
        Conversation::default()
    };
    let mut answers = Vec::new();
    let mut pieces = pieces.into_iter();
    while let Some(mut piece) = pieces.next() {
        while !piece.is_empty() {
            assert!(conversation.room() > 0, "no room for a head");
            let taken = conversation.push(piece);
            assert!(taken > 0 && conversation.room() <= HEAD_BYTES_MAX - taken);
            piece = &piece[taken..];
            loop {
                let read = conversation.read();
                if let Read::Introduced(client) = read {
                    peer = client.unwrap_or(peer);
                    continue;
                }
                assert_eq!(conversation.read(), read, "reading twice changes nothing");
                let mut out = Vec::new();
                let client = conversation.client(site, peer);
                let next = match read {
                    Read::Partial => break,
                    Read::Introduced(_) | Read::AtDesk => unreachable!("handled before"),
                    Read::Complete => match conversation.respond(site, peer, standing, &mut out) {
                        Next::Desk(inquiry) => {
                            assert_eq!(inquiry.client, client);
                            at_desk(&mut conversation, &inquiry, &mut out)
                        }
                        next => next,
                    },
                    Read::Refused(refusal) => {
                        assert!(matches!(refusal, Refusal::Malformed(_) | Refusal::TooLarge));
                        conversation.refuse(refusal, &mut out);
                        Next::Close
                    }
                };
                if let Next::Upgrade(upgrade) = next {
                    assert!(out.is_empty(), "the answer is in the upgrade");
                    assert_eq!(upgrade.client, client);
                    assert_eq!(conversation.room(), 0);
                    let mut rest = conversation.into_rest();
                    rest.extend_from_slice(piece);
                    rest.extend(pieces.flatten());
                    let end = End::Upgraded { upgrade, rest };
                    return Talk { answers, end };
                }
                let answer = Answer::read(&out);
                assert_eq!(answer.closes(), next == Next::Close, "{answer:?}");
                answers.push(answer);
                if next == Next::Close {
                    assert_eq!((conversation.room(), conversation.read()), (0, Read::Partial));
                    assert!(!conversation.is_idle());
                    let end = End::Closed;
                    return Talk { answers, end };
                }
            }
        }
    }
    let end = if conversation.is_idle() {
        End::Idle
    } else {
        End::InAHead
    };
    Talk { answers, end }
}

/// What the desk of these tests answers: what it was asked.
pub(crate) fn echo(inquiry: &Inquiry) -> DeskAnswer {
    let Inquiry {
        method,
        path,
        query,
        authorization,
        client,
    } = inquiry;
    let body = format!("{method} {path} {query:?} {authorization:?} {client}");
    DeskAnswer {
        status: "200 OK",
        content_type: "text/plain",
        headers: "x-desk: 1\r\n",
        body: Body::Whole(body.into_bytes().into()),
    }
}

/// A request is at the desk, which answers.
fn at_desk(conversation: &mut Conversation, inquiry: &Inquiry, out: &mut Vec<u8>) -> Next<u8> {
    assert!(out.is_empty(), "the desk answers");
    assert!(conversation.is_at_desk() && !conversation.is_idle());
    assert_eq!((conversation.room(), conversation.read()), (0, Read::AtDesk));
    match conversation.answer(&echo(inquiry), false, out) {
        After::KeepAlive => Next::KeepAlive,
        After::Close => Next::Close,
        After::Stream => panic!("no stream was begun"),
    }
}

/// The same of a well server for all pages, in one piece.
pub(crate) fn talk(bytes: impl AsRef<[u8]>) -> Talk {
    talk_in_pieces(&site("*"), "192.0.2.1", WELL, [bytes.as_ref()])
}

/// The only answer to these bytes.
#[track_caller]
pub(crate) fn answer(bytes: impl AsRef<[u8]>) -> Answer {
    sole(talk(bytes))
}

/// The same with another standing.
#[track_caller]
pub(crate) fn answer_when(standing: Standing, bytes: impl AsRef<[u8]>) -> Answer {
    sole(talk_in_pieces(&site("*"), "192.0.2.1", standing, [bytes.as_ref()]))
}

#[track_caller]
pub(crate) fn sole(talk: Talk) -> Answer {
    let [answer] = <[Answer; 1]>::try_from(talk.answers).expect("one answer");
    answer
}

/// The upgrade that these bytes end with.
#[track_caller]
pub(crate) fn upgrade(talk: Talk) -> (Upgrade<u8>, Vec<u8>) {
    match talk.end {
        End::Upgraded { upgrade, rest } => (upgrade, rest),
        end => panic!("no upgrade: {end:?} after {:?}", talk.answers),
    }
}
