//! The client's address behind proxies: what a trusted proxy adds counts, whatever its client wrote before it.

use signal_fish_core::http::{ClientIpHeader, Conversation, Origins, Read, Routes, Site, TrustedProxies};
use std::net::IpAddr;

/// Header lines of an input; the others are left out.
const LINES_MAX: usize = 8;

/// Longest value of a header line.
const VALUE_BYTES_MAX: usize = 512;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn site(header: ClientIpHeader) -> Site<u8> {
    let networks = ["10.0.0.0/8", "fd00::/8", "::ffff:192.168.0.0/112"];
    let networks = networks.map(|network| network.parse().expect("a network"));
    Site {
        routes: Routes::new(Vec::new()),
        origins: Origins::Any,
        trusted_proxies: TrustedProxies::new(networks.to_vec(), header),
        secure: false,
        token_binding: None,
    }
}

/// Who sent a request with these lines, which came from `peer`.
fn client(site: &Site<u8>, name: &str, peer: &str, values: &[Vec<u8>]) -> IpAddr {
    let mut head = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    for value in values {
        head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    let mut conversation = Conversation::default();
    assert_eq!(conversation.push(&head), head.len());
    assert_eq!(
        conversation.read(),
        Read::Complete,
        "{}",
        String::from_utf8_lossy(&head)
    );
    conversation.client(site, ip(peer))
}

/// The last value, with this behind it.
fn with(values: &[Vec<u8>], added: &str) -> Vec<Vec<u8>> {
    let mut values = values.to_vec();
    match values.last_mut() {
        Some(last) => last.extend([b", ", added.as_bytes()].concat()),
        None => values.push(added.into()),
    }
    values
}

/// The same, as a line of its own.
fn with_line(values: &[Vec<u8>], added: &str) -> Vec<Vec<u8>> {
    [values, &[added.into()]].concat()
}

/// Values of the header, one per line.
pub fn forwarded(data: &[u8]) {
    let in_value = |byte: &u8| {
        if matches!(byte, b'\t' | b' '..=b'~' | 0x80..) {
            *byte
        } else {
            b'?'
        }
    };
    let values: Vec<Vec<u8>> = data
        .split(|byte| *byte == b'\n')
        .take(LINES_MAX)
        .map(|line| line.iter().take(VALUE_BYTES_MAX).map(in_value).collect())
        .collect();
    for (header, name, element) in [
        (ClientIpHeader::XForwardedFor, "X-Forwarded-For", ""),
        (ClientIpHeader::Forwarded, "Forwarded", "for="),
    ] {
        let site = site(header);
        let client = |peer: &str, values: &[Vec<u8>]| client(&site, name, peer, values);
        // A stranger is not believed.
        assert_eq!(client("192.0.2.1", &values), ip("192.0.2.1"));
        for peer in ["::ffff:10.0.0.1", "fd00::1"] {
            let before = client(peer, &values);
            assert_eq!(before, before.to_canonical());
            for (added, expected) in [
                ("1.2.3.4", "1.2.3.4"),
                ("\"[2001:db8::7]:4711\"", "2001:db8::7"),
                ("\"::ffff:1.2.3.4\"", "1.2.3.4"),
            ] {
                let added = format!("{element}{added}");
                assert_eq!(client(peer, &with(&values, &added)), ip(expected));
                assert_eq!(client(peer, &with_line(&values, &added)), ip(expected));
            }
            // One more trusted proxy hides nobody. It stands for the client where nothing before it can be read.
            let added = format!("{element}10.9.9.9");
            let canonical = ip(peer).to_canonical();
            for values in [with(&values, &added), with_line(&values, &added)] {
                let after = client(peer, &values);
                let is_proxy = before == canonical && after == ip("10.9.9.9");
                assert!(after == before || is_proxy, "{before} became {after}");
            }
        }
        if name == "X-Forwarded-For" {
            // Lines are one list.
            let joined = values.join(&b", "[..]);
            assert_eq!(client("10.0.0.1", &[joined]), client("10.0.0.1", &values));
        }
    }
}
