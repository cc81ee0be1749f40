//! Requests of one connection: the cut of the stream changes no answer, and nothing grows beyond its limit.

use crate::cuts;
use signal_fish_core::http::{
    Access, After, ClientIpHeader, Conversation, DeskAnswer, HEAD_BYTES_MAX, Next, Origins, Read, Refusal, Routes,
    Site, Standing, Target, TokenBinding, TrustedProxies, Upgrade,
};
use std::net::{IpAddr, Ipv4Addr};

/// A trusted proxy.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// Most requests of one connection (D39).
const REQUESTS_MAX: usize = 100;

/// No answer is longer, even with the longest origin.
const ANSWER_BYTES_MAX: usize = 1024;

/// Everything that was said to the client, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Talk {
    answers: Vec<Vec<u8>>,
    refusal: Option<Refusal>,
    closed: bool,
    /// The upgrade, and the bytes behind it.
    upgrade: Option<(Upgrade<u8>, Vec<u8>)>,
}

fn site() -> Site<u8> {
    Site {
        routes: Routes::new(vec![
            ("/v2/ws", Target::WebSocket(2)),
            ("/healthz", Target::Health),
            ("/readyz", Target::Ready),
            ("/metrics", Target::Desk(Access::Public)),
            ("/admin/*", Target::Desk(Access::Private)),
        ]),
        origins: Origins::parse("https://a.example"),
        trusted_proxies: TrustedProxies::new(
            vec!["10.0.0.0/8".parse().expect("a network")],
            ClientIpHeader::XForwardedFor,
        ),
        secure: false,
        token_binding: Some(TokenBinding {
            protocol: 2,
            required: false,
            require_client_fingerprint: false,
        }),
    }
}

/// Feeds the pieces to one connection, as a shard does.
fn talk(site: &Site<u8>, standing: Standing, pieces: &[&[u8]]) -> Talk {
    let mut conversation = Conversation::default();
    let mut talk = Talk::default();
    for (index, piece) in pieces.iter().enumerate() {
        let mut piece = *piece;
        while !piece.is_empty() {
            let room = conversation.room();
            let taken = conversation.push(piece);
            assert_eq!(taken, room.min(piece.len()), "as much is taken as there is room for");
            assert!(taken > 0 && conversation.room() <= HEAD_BYTES_MAX - taken);
            piece = &piece[taken..];
            loop {
                let read = conversation.read();
                assert_eq!(conversation.read(), read, "reading twice changes nothing");
                let client = conversation.client(site, PEER);
                let mut out = Vec::new();
                let next = match read {
                    Read::Partial => break,
                    Read::Introduced(_) => unreachable!("only a conversation behind a proxy is introduced"),
                    Read::AtDesk => unreachable!("the desk has answered"),
                    Read::Complete => match conversation.respond(site, PEER, standing, &mut out) {
                        Next::Desk(inquiry) => {
                            assert!(out.is_empty() && inquiry.client == client);
                            assert_eq!((conversation.read(), conversation.room()), (Read::AtDesk, 0));
                            match conversation.answer(&DeskAnswer::unavailable(), false, &mut out) {
                                After::KeepAlive => Next::KeepAlive,
                                After::Close | After::Stream => Next::Close,
                            }
                        }
                        next => next,
                    },
                    Read::Refused(refusal) => {
                        talk.refusal = Some(refusal);
                        conversation.refuse(refusal, &mut out);
                        Next::Close
                    }
                };
                if let Next::Upgrade(upgrade) = next {
                    assert!(out.is_empty(), "the answer is in the upgrade");
                    assert_eq!((upgrade.client, conversation.room()), (client, 0));
                    let mut rest = conversation.into_rest();
                    rest.extend_from_slice(piece);
                    rest.extend(pieces[index + 1..].iter().copied().flatten());
                    talk.upgrade = Some((upgrade, rest));
                    return talk;
                }
                check_answer(&out, next == Next::Close);
                talk.answers.push(out);
                if next == Next::Close {
                    assert_eq!((conversation.room(), conversation.read()), (0, Read::Partial));
                    talk.closed = true;
                    return talk;
                }
            }
        }
    }
    talk
}

/// One whole answer: a head of lines without control characters, and a body of the length it names.
fn check_answer(answer: &[u8], closes: bool) {
    assert!(answer.len() <= ANSWER_BYTES_MAX, "{} bytes", answer.len());
    let answer = std::str::from_utf8(answer).expect("an answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    assert!(head.starts_with("HTTP/1.1 "), "{head}");
    let mut lines = head.split("\r\n");
    assert!(lines.all(|line| !line.contains(char::is_control)), "{head:?}");
    let length = head.split("\r\ncontent-length: ").nth(1);
    let length = length.map(|rest| rest.lines().next().unwrap_or_default().parse::<usize>());
    let length = length
        .expect("an answer tells its length")
        .expect("a length is a number");
    assert!(body.len() == length || body.is_empty(), "{answer}");
    assert_eq!(head.contains("\r\nconnection: close"), closes, "{head}");
}

/// Bytes of one connection.
pub fn http_head(data: &[u8]) {
    let site = site();
    let standings = [(false, true), (true, true), (false, false)];
    let standings = standings.map(|(draining, ticket)| Standing {
        draining,
        ticket,
        banned: !ticket && draining,
        certificate: None,
    });
    // How a server stands changes no cut, so that one of the three is enough for these.
    let drawn = cuts::random(data).up_to(standings.len() - 1);
    for (index, standing) in standings.into_iter().enumerate() {
        let whole = talk(&site, standing, &[data]);
        assert!(whole.answers.len() <= REQUESTS_MAX);
        if index == drawn {
            for pieces in cuts::ways_to_cut(data) {
                assert_eq!(talk(&site, standing, &pieces), whole, "{standing:?}");
            }
        }
    }
}
