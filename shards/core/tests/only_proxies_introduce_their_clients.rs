//! The PROXY protocol (D23): trusted proxies must name their clients in front of HTTP, nobody else may.

mod http_stream;

use http_stream::{Answer, End, PROXY, Talk, UPGRADE, WELL, request, site, sole, talk_in_pieces, upgrade};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use signal_fish_core::http::Site;

const STRANGER: &str = "192.0.2.1";

const EXPECTED: &str = "This listener expects a PROXY protocol header from its proxies.";
const UNEXPECTED: &str = "A PROXY protocol header is not expected here.";

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LINE: &[u8] = b"PROXY TCP4 198.51.100.7 10.0.0.9 4660 80\r\n";

/// A site whose proxies send the header.
fn strict() -> Site<u8> {
    let mut site = site("*");
    site.trusted_proxies = site.trusted_proxies.with_proxy_protocol(true);
    site
}

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

/// Version 2, with extensions behind the addresses.
fn v2() -> Vec<u8> {
    let addresses = [198, 51, 100, 7, 10, 0, 0, 9, 0x12, 0x34, 0, 80];
    let extensions = [0x02, 0, 4, b'g', b'a', b'm', b'e', 0x04, 0, 1, 0];
    binary(0x21, 0x11, &[&addresses[..], &extensions].concat())
}

/// The proxy for itself, such as a health check.
fn local() -> Vec<u8> {
    binary(0x20, 0x00, &[])
}

fn talk(peer: &str, bytes: &[u8]) -> Talk {
    talk_in_pieces(&strict(), peer, WELL, [bytes])
}

#[track_caller]
fn refused(talk: Talk, sentence: &str) {
    assert_eq!(talk.end, End::Closed, "{talk:?}");
    let Answer { status, body, .. } = sole(talk);
    assert_eq!((status, body.as_str()), (400, sentence));
}

/// Whose upgrade this is.
#[track_caller]
fn client(talk: Talk) -> String {
    upgrade(talk).0.client.to_string()
}

#[test]
fn the_header_of_a_proxy_names_the_client() {
    for header in [LINE.to_vec(), v2()] {
        assert_eq!(
            client(talk(PROXY, &[&header, UPGRADE.as_bytes()].concat())),
            "198.51.100.7"
        );
        // The proxy is known in both families.
        let mapped = talk("::ffff:10.0.0.1", &[&header, UPGRADE.as_bytes()].concat());
        assert_eq!(client(mapped), "198.51.100.7");
    }
    let mapped = b"PROXY TCP6 ::ffff:198.51.100.7 ::1 4660 80\r\n";
    assert_eq!(
        client(talk(PROXY, &[&mapped[..], UPGRADE.as_bytes()].concat())),
        "198.51.100.7"
    );
}

#[test]
fn requests_may_follow_the_header_at_once() {
    for header in [LINE.to_vec(), v2(), local(), b"PROXY UNKNOWN\r\n".to_vec()] {
        let get = request("GET /healthz", "");
        let talk = talk(
            PROXY,
            &[&header, get.as_bytes(), get.as_bytes(), UPGRADE.as_bytes(), b"frame"].concat(),
        );
        let statuses: Vec<u16> = talk.answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 200]);
        assert_eq!(upgrade(talk).1, b"frame");
    }
}

#[test]
fn a_header_of_a_stranger_is_refused() {
    for header in [
        LINE.to_vec(),
        v2(),
        local(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY x".to_vec(),
    ] {
        refused(talk(STRANGER, &[&header, UPGRADE.as_bytes()].concat()), UNEXPECTED);
        // Where no proxy sends one, too, and behind empty lines.
        let nowhere = talk_in_pieces(&site("*"), PROXY, WELL, [&header[..]]);
        refused(nowhere, UNEXPECTED);
        refused(talk(STRANGER, &[b"\r\n", &header[..]].concat()), UNEXPECTED);
        // Nor does it become the header of a request that was allowed.
        let late = talk(STRANGER, &[request("GET /healthz", "").as_bytes(), &header].concat());
        let statuses: Vec<u16> = late.answers.iter().map(|answer| answer.status).collect();
        assert_eq!((statuses, late.end), (vec![200, 400], End::Closed));
    }
    assert_eq!(client(talk(STRANGER, UPGRADE.as_bytes())), STRANGER);
}

#[test]
fn a_proxy_without_a_header_is_refused() {
    let long = [b"PROXY UNKNOWN ", &[b'x'; 100][..]].concat();
    let spoilt = [b"PROXY TCP4 198.51.100.7 10.0.0.9 4660 80\n", UPGRADE.as_bytes()].concat();
    let empty_line = [b"\r\n", LINE].concat();
    let lie = [SIGNATURE, &[0x21, 0x11, 0, 4, 198, 51, 100, 7], UPGRADE.as_bytes()].concat();
    let too_long = binary(0x21, 0x11, &[0; 537]);
    for bytes in [
        UPGRADE.as_bytes(),
        b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01",
        &long,
        &spoilt,
        &empty_line,
        &lie,
        &too_long,
    ] {
        refused(talk(PROXY, bytes), EXPECTED);
    }
}

#[test]
fn a_second_header_is_refused() {
    for first in [LINE.to_vec(), v2(), local(), b"PROXY UNKNOWN\r\n".to_vec()] {
        for second in [LINE.to_vec(), v2(), local()] {
            refused(
                talk(PROXY, &[&first[..], &second, UPGRADE.as_bytes()].concat()),
                UNEXPECTED,
            );
        }
    }
}

#[test]
fn forwarding_headers_are_believed_only_of_proxies() {
    let forged = UPGRADE.replace("\r\n\r\n", "\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
    // The header named a client: what that one writes about itself is not believed.
    for header in [LINE.to_vec(), v2()] {
        assert_eq!(
            client(talk(PROXY, &[&header, forged.as_bytes()].concat())),
            "198.51.100.7"
        );
    }
    // It named another proxy, or the proxy spoke for itself: proxies are believed.
    let chain = b"PROXY TCP4 10.0.0.2 10.0.0.9 4660 80\r\n".to_vec();
    for header in [chain.clone(), local(), b"PROXY UNKNOWN\r\n".to_vec()] {
        assert_eq!(
            client(talk(PROXY, &[&header, forged.as_bytes()].concat())),
            "203.0.113.9"
        );
    }
    assert_eq!(client(talk(PROXY, &[&chain, UPGRADE.as_bytes()].concat())), "10.0.0.2");
    assert_eq!(client(talk(PROXY, &[&local(), UPGRADE.as_bytes()].concat())), PROXY);
}

#[test]
fn the_header_is_no_part_of_the_head_and_its_limit() {
    let limit = signal_fish_core::http::HEAD_BYTES_MAX;
    let bare = request("GET /healthz", "X: \r\n");
    let full = request("GET /healthz", &format!("X: {}\r\n", "y".repeat(limit - bare.len())));
    assert_eq!(full.len(), limit);
    let header = binary(0x20, 0, &[0; 536]);
    let answer = sole(talk(PROXY, &[&header, full.as_bytes()].concat()));
    assert_eq!(answer.status, 200);
}

#[test]
fn any_single_cut_changes_nothing() {
    for header in [
        LINE.to_vec(),
        v2(),
        local(),
        LINE[1..].to_vec(),
        b"PROXY TCP4\r\n".to_vec(),
    ] {
        for peer in [PROXY, STRANGER] {
            let bytes = [&header, UPGRADE.as_bytes()].concat();
            let whole = talk(peer, &bytes);
            for cut in 1..bytes.len() {
                let (left, right) = bytes.split_at(cut);
                assert_eq!(
                    talk_in_pieces(&strict(), peer, WELL, [left, right]),
                    whole,
                    "{header:?} cut at {cut}"
                );
            }
            assert_eq!(talk_in_pieces(&strict(), peer, WELL, bytes.chunks(1)), whole);
        }
    }
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let parts = vec![
        LINE.to_vec(),
        v2(),
        local(),
        SIGNATURE.to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY ".to_vec(),
        b"\r\n".to_vec(),
        b"\0".to_vec(),
        b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        UPGRADE.as_bytes().to_vec(),
    ];
    let changes = proptest::collection::vec((any::<Index>(), any::<u8>()), 0..2);
    (proptest::collection::vec(select(parts), 1..6), changes).prop_map(|(parts, changes)| {
        let mut bytes = parts.concat();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_no_answer(bytes in stream(), peer in select(&[PROXY, STRANGER][..]), size in 1_usize..40) {
        let whole = talk(peer, &bytes);
        prop_assert_eq!(talk_in_pieces(&strict(), peer, WELL, bytes.chunks(size)), whole);
    }

    /// Whatever a stranger sends, it is counted under its own address.
    #[test]
    fn no_stranger_chooses_its_address(bytes in stream()) {
        if let End::Upgraded { upgrade, .. } = talk(STRANGER, &bytes).end {
            prop_assert_eq!(upgrade.client.to_string(), STRANGER);
        }
    }
}
