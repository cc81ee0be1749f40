//! TCP cuts where it likes: the answers are those of the uncut stream. No bytes make the server panic.

mod http_stream;

use http_stream::{DRAINING, PROXY, Talk, UPGRADE, WELL, WITHOUT_TICKET, site, talk_in_pieces};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use signal_fish_core::http::Standing;

/// Texts that heads are made of, as they should and should not be.
const PARTS: &[&str] = &[
    "GET /healthz HTTP/1.1\r\n",
    "GET /v2/ws?game_name=a%20b&room_code=%ff HTTP/1.1\r\n",
    "HEAD http://host/nowhere HTTP/1.1\n",
    "OPTIONS * HTTP/1.1\r\n",
    "CONNECT host:1 HTTP/1.1\r\n",
    "POST /readyz HTTP/1.0\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /healthz HTTP/1.1\nHost: a\n\n",
    "HEAD /nowhere HTTP/1.1\r\nHost: a\n\r\n",
    UPGRADE,
    "Host: a\r\n",
    "Connection: close\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "X-Forwarded-For: 1.2.3.4, 10.0.0.2, \"[::1]:1\"\r\n",
    "Origin: https://a.example\r\n",
    "X: y\n",
    " folded\r\n",
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\0",
    "{\"type\":\"Ping\"}",
];

fn part() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => select(PARTS).prop_map(|part| part.as_bytes().to_vec()),
        2 => Just(UPGRADE.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
        // Around the limits of a head.
        1 => (8_000_usize..8_300).prop_map(|length| [&b"X: "[..], &vec![b'y'; length], b"\r\n"].concat()),
        1 => (60_usize..70).prop_map(|count| b"X: y\r\n".repeat(count)),
        1 => (90_usize..102).prop_map(|count| b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(count)),
    ]
}

/// A stream of parts, some bytes of which are changed.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let parts = proptest::collection::vec(part(), 0..12);
    let changes = proptest::collection::vec((any::<Index>(), any::<u8>()), 0..3);
    (parts, changes).prop_map(|(parts, changes)| {
        let mut bytes = parts.concat();
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    })
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    proptest::collection::vec(any::<Index>(), 0..20)
}

fn standing() -> impl Strategy<Value = Standing> {
    select(&[WELL, WELL, DRAINING, WITHOUT_TICKET][..])
}

fn talk<'a>(standing: Standing, pieces: impl IntoIterator<Item = &'a [u8]>) -> Talk {
    talk_in_pieces(&site("https://a.example"), PROXY, standing, pieces)
}

fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

proptest! {
    #[test]
    fn of_requests_good_and_bad(bytes in stream(), cuts in cuts(), standing in standing()) {
        let whole = talk(standing, [&bytes[..]]);
        prop_assert_eq!(&talk(standing, cut(&bytes, &cuts)), &whole);
        prop_assert_eq!(&talk(standing, bytes.chunks(1)), &whole);
    }

    #[test]
    fn of_noise(bytes in proptest::collection::vec(any::<u8>(), 0..300), cuts in cuts()) {
        let whole = talk(WELL, [&bytes[..]]);
        prop_assert_eq!(talk(WELL, cut(&bytes, &cuts)), whole);
    }
}
