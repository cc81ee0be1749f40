//! The PROXY protocol: the address of a client, named by a proxy in front of the first byte of HTTP (D23).
//!
//! Version 1 is a line of text, version 2 is binary. Both are bounded: nobody waits for more than [`HEADER_BYTES_MAX`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

/// What a version 1 header begins with.
const INTRODUCTION: &[u8] = b"PROXY ";
/// Longest header of version 1, its CRLF included.
const LINE_BYTES_MAX: usize = 107;

/// What a version 2 header begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and transport, and the length of the rest.
const FIXED_BYTES: usize = 16;
/// Most bytes behind the fixed ones: two addresses of any family, and some extensions.
const REST_BYTES_MAX: usize = 536;

/// Longest header of any version.
#[cfg(test)]
const HEADER_BYTES_MAX: usize = FIXED_BYTES + REST_BYTES_MAX;

/// What a proxy is told that does not begin with a header, or with one that is none.
pub(super) const EXPECTED: &str = "This listener expects a PROXY protocol header from its proxies.";
/// What everybody else is told who begins with one.
pub(super) const UNEXPECTED: &str = "A PROXY protocol header is not expected here.";

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// They may become a header.
    Partial,
    /// They are a header of this length. Without a client it stands for a connection of the proxy itself, or of a client
    /// without an address that could be counted.
    Header { length: usize, client: Option<IpAddr> },
    /// They are no header, whatever follows.
    Other,
}

/// Reads the header that `bytes` begin with. More bytes never change what was not [`Beginning::Partial`].
pub(super) fn read(bytes: &[u8]) -> Beginning {
    if let Some(rest) = bytes.strip_prefix(INTRODUCTION) {
        read_line(rest)
    } else if let Some(rest) = bytes.strip_prefix(SIGNATURE) {
        read_binary(rest)
    } else if INTRODUCTION.starts_with(bytes) || SIGNATURE.starts_with(bytes) {
        Beginning::Partial
    } else {
        Beginning::Other
    }
}

/// Whether these bytes of a request are a header that is out of place; `empty_lines` were taken away before them. The
/// signature of version 2 begins with two, and no request has a zero byte.
pub(super) fn is_out_of_place(bytes: &[u8], empty_lines: usize) -> bool {
    bytes.starts_with(INTRODUCTION) || (empty_lines >= 2 && bytes.first() == Some(&0))
}

/// Version 1, behind its introduction.
fn read_line(rest: &[u8]) -> Beginning {
    let rest = &rest[..rest.len().min(LINE_BYTES_MAX - INTRODUCTION.len())];
    let Some(end) = rest.iter().position(|byte| !matches!(byte, b' '..=b'~')) else {
        // A CRLF does not fit any more.
        let is_full = INTRODUCTION.len() + rest.len() + 2 > LINE_BYTES_MAX;
        return if is_full { Beginning::Other } else { Beginning::Partial };
    };
    let (line, after) = rest.split_at(end);
    match after {
        [b'\r', b'\n', ..] => match client_of_line(line) {
            Some(client) => Beginning::Header {
                length: INTRODUCTION.len() + line.len() + 2,
                client,
            },
            None => Beginning::Other,
        },
        [b'\r'] if INTRODUCTION.len() + line.len() + 2 <= LINE_BYTES_MAX => Beginning::Partial,
        _ => Beginning::Other,
    }
}

/// The client that a line of version 1 names, if it is well-formed.
fn client_of_line(line: &[u8]) -> Option<Option<IpAddr>> {
    let line = str::from_utf8(line).ok()?;
    // Whatever a proxy adds to this word means nothing.
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let mut words = line.split(' ');
    let (family, client, server) = (words.next()?, words.next()?, words.next()?);
    let client = match family {
        "TCP4" => {
            server.parse::<Ipv4Addr>().ok()?;
            IpAddr::V4(client.parse().ok()?)
        }
        "TCP6" => {
            server.parse::<Ipv6Addr>().ok()?;
            IpAddr::V6(client.parse().ok()?)
        }
        _ => return None,
    };
    let ports = (words.next()?, words.next()?);
    let is_well_formed = is_port(ports.0) && is_port(ports.1) && words.next().is_none();
    is_well_formed.then(|| Some(client.to_canonical()))
}

/// A port as it must be written: without sign and leading zeros.
fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port.to_string() == text)
}

/// Version 2, behind its signature.
fn read_binary(rest: &[u8]) -> Beginning {
    const VERSION: u8 = 0x20;
    const LOCAL: u8 = VERSION;
    const PROXY: u8 = VERSION | 1;

    // What is wrong is seen as soon as it is there: nobody waits for the rest of it.
    let command = match rest.first() {
        None => return Beginning::Partial,
        Some(&command @ (LOCAL | PROXY)) => command,
        Some(_) => return Beginning::Other,
    };
    let Some(&family) = rest.get(1) else {
        return Beginning::Partial;
    };
    let Some(kind) = Kind::of(command == LOCAL, family) else {
        return Beginning::Other;
    };
    let Some(&[high, low]) = rest.get(2..4) else {
        // Lengths over the limit have one of these first bytes or a second one that decides.
        let is_too_long = rest.get(2).is_some_and(|&high| usize::from(high) << 8 > REST_BYTES_MAX);
        return if is_too_long {
            Beginning::Other
        } else {
            Beginning::Partial
        };
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < kind.address_bytes() || length > REST_BYTES_MAX {
        return Beginning::Other;
    }
    let Some(rest) = rest.get(4..4 + length) else {
        return Beginning::Partial;
    };
    // What follows the addresses are extensions. None of them changes who the client is.
    Beginning::Header {
        length: FIXED_BYTES + length,
        client: kind.client(rest),
    }
}

/// What a header of version 2 speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A TCP connection over IPv4.
    V4,
    /// A TCP connection over IPv6.
    V6,
    /// Something whose addresses are not used; they take so many bytes.
    Other(usize),
}

impl Kind {
    fn of(local: bool, family: u8) -> Option<Self> {
        if local {
            // Its family means nothing.
            return Some(Self::Other(0));
        }
        // The transport is unspecified, a stream or datagrams.
        if family & 0x0f > 2 {
            return None;
        }
        match family {
            0x11 => Some(Self::V4),
            0x21 => Some(Self::V6),
            _ => match family >> 4 {
                0 => Some(Self::Other(0)),
                1 => Some(Self::Other(Self::V4.address_bytes())),
                2 => Some(Self::Other(Self::V6.address_bytes())),
                3 => Some(Self::Other(216)),
                _ => None,
            },
        }
    }

    /// Bytes of both addresses, and of both ports if there are any.
    fn address_bytes(self) -> usize {
        match self {
            Self::V4 => 2 * (4 + 2),
            Self::V6 => 2 * (16 + 2),
            Self::Other(bytes) => bytes,
        }
    }

    /// The client stands first.
    fn client(self, rest: &[u8]) -> Option<IpAddr> {
        let client = match self {
            Self::V4 => IpAddr::from(*rest.first_chunk::<4>()?),
            Self::V6 => IpAddr::from(*rest.first_chunk::<16>()?),
            Self::Other(_) => return None,
        };
        Some(client.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    fn header(length: usize, client: Option<&str>) -> Beginning {
        let client = client.map(|client| client.parse().expect("an address"));
        Beginning::Header { length, client }
    }

    /// A header of version 2 that announces `length` bytes and has `rest`.
    fn lying(command: u8, family: u8, length: u16, rest: &[u8]) -> Vec<u8> {
        [SIGNATURE, &[command, family], &length.to_be_bytes(), rest].concat()
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        lying(command, family, u16::try_from(rest.len()).expect("short"), rest)
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];

    fn v6(client: &str) -> Vec<u8> {
        let client: Ipv6Addr = client.parse().expect("an address");
        [&client.octets()[..], &[0; 16], &[0x12, 0x34, 0, 80]].concat()
    }

    #[test]
    fn a_line_names_the_client() {
        for (line, client) in [
            ("PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\r\n", Some("192.0.2.7")),
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                Some("255.255.255.255"),
            ),
            ("PROXY TCP6 2001:db8::7 ::1 0 65535\r\n", Some("2001:db8::7")),
            // An address of the old family is itself in both.
            ("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.1 1 2\r\n", Some("192.0.2.7")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN what ever\r\n", None),
            (
                "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                None,
            ),
        ] {
            assert_eq!(read(line.as_bytes()), header(line.len(), client), "{line:?}");
            let followed = format!("{line}GET / HTTP/1.1\r\n");
            assert_eq!(read(followed.as_bytes()), header(line.len(), client), "{followed:?}");
        }
    }

    #[test]
    fn a_line_that_is_not_exactly_so_is_refused() {
        for line in [
            // CR and LF where they should not be.
            "PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\r\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4660\r80\r\n",
            "PROXY TCP4 192.0.2.7\n10.0.0.1 4660 80\r\n",
            "PROXY TCP4 192.0.2.7\r\n 10.0.0.1 4660 80\r\n",
            "PROXY UNKNOWN a\rb\r\n",
            "PROXY UNKNOWN a\nb\r\n",
            "PROXY UNKNOWN a\0b\r\n",
            "PROXY UNKNOWN \u{e4}\r\n",
            "PROXY \r\n",
            "PROXY\r\n",
            // Words too many, too few, or spelt otherwise.
            "PROXY UNKNOWNS\r\n",
            "PROXY unknown\r\n",
            "proxy TCP4 192.0.2.7 10.0.0.1 4660 80\r\n",
            "PROXY  TCP4 192.0.2.7 10.0.0.1 4660 80\r\n",
            "PROXY TCP4  192.0.2.7 10.0.0.1 4660 80\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4660 80 \r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4660 80 90\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4660\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1\r\n",
            "PROXY TCP4\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 4660 80\r\n",
            // Addresses and ports that are none, or of the other family.
            "PROXY TCP4 192.0.2.07 10.0.0.1 4660 80\r\n",
            "PROXY TCP4 192.0.2 10.0.0.1 4660 80\r\n",
            "PROXY TCP4 192.0.2.256 10.0.0.1 4660 80\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0 4660 80\r\n",
            "PROXY TCP4 2001:db8::7 ::1 4660 80\r\n",
            "PROXY TCP6 192.0.2.7 10.0.0.1 4660 80\r\n",
            "PROXY TCP6 [2001:db8::7] ::1 4660 80\r\n",
            "PROXY TCP6 fe80::1%eth0 ::1 4660 80\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 +4660 80\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 04660 80\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4660 65536\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 -1 80\r\n",
        ] {
            assert_eq!(read(line.as_bytes()), Beginning::Other, "{line:?}");
        }
    }

    #[test]
    fn a_line_has_107_bytes_at_most() {
        let padded = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
        assert_eq!(read(padded(107).as_bytes()), header(107, None));
        let long = padded(108);
        assert_eq!(read(long.as_bytes()), Beginning::Other);
        // It is refused as soon as no CRLF can follow in time, not at its end.
        assert_eq!(read(&long.as_bytes()[..105]), Beginning::Partial);
        assert_eq!(read(&long.as_bytes()[..106]), Beginning::Other);
        let endless = ["PROXY TCP4 ", &"1".repeat(1 << 16)].concat();
        assert_eq!(read(endless.as_bytes()), Beginning::Other);
    }

    #[test]
    fn a_binary_header_names_the_client() {
        let extensions = [0x04, 0, 2, 9, 9, 0x03, 0, 4, 1, 2, 3, 4, 0xea, 0, 1, 7];
        for (bytes, client) in [
            (binary(0x21, 0x11, &V4), Some("192.0.2.7")),
            (binary(0x21, 0x11, &[&V4[..], &extensions].concat()), Some("192.0.2.7")),
            (binary(0x21, 0x21, &v6("2001:db8::7")), Some("2001:db8::7")),
            (
                binary(0x21, 0x21, &[v6("2001:db8::7"), extensions.to_vec()].concat()),
                Some("2001:db8::7"),
            ),
            (binary(0x21, 0x21, &v6("::ffff:192.0.2.7")), Some("192.0.2.7")),
            // Nobody looks into extensions, so they may be anything.
            (binary(0x21, 0x11, &[&V4[..], &[0xff; 524]].concat()), Some("192.0.2.7")),
            // The proxy itself, whatever it says about families.
            (binary(0x20, 0x00, &[]), None),
            (binary(0x20, 0x11, &V4), None),
            (binary(0x20, 0xff, &[1, 2, 3]), None),
            (binary(0x20, 0x00, &[0; 536]), None),
            // Clients that cannot be counted: unspecified, datagrams, sockets of a machine.
            (binary(0x21, 0x00, &[]), None),
            (binary(0x21, 0x00, &V4), None),
            (binary(0x21, 0x12, &V4), None),
            (binary(0x21, 0x10, &V4), None),
            (binary(0x21, 0x22, &v6("2001:db8::7")), None),
            (binary(0x21, 0x31, &[b'/'; 216]), None),
            (binary(0x21, 0x32, &[b'/'; 216]), None),
        ] {
            assert_eq!(read(&bytes), header(bytes.len(), client), "{bytes:?}");
            let followed = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(read(&followed), header(bytes.len(), client), "{bytes:?}");
        }
    }

    #[test]
    fn a_binary_header_that_lies_is_refused() {
        let most = vec![0; 600];
        for bytes in [
            // Of another version, with another command, family or transport.
            binary(0x11, 0x11, &V4),
            binary(0x31, 0x11, &V4),
            binary(0x01, 0x11, &V4),
            binary(0x22, 0x11, &V4),
            binary(0x2f, 0x11, &V4),
            binary(0x21, 0x13, &V4),
            binary(0x21, 0x41, &V4),
            binary(0x21, 0xff, &V4),
            // Too short for the addresses, whatever follows.
            lying(0x21, 0x11, 0, &V4),
            lying(0x21, 0x11, 11, &V4),
            lying(0x21, 0x12, 11, &V4),
            lying(0x21, 0x21, 35, &v6("2001:db8::7")),
            lying(0x21, 0x21, 12, &V4),
            lying(0x21, 0x31, 215, &most),
            // Longer than anybody waits for; the low byte alone would be fine.
            lying(0x21, 0x11, 537, &most),
            lying(0x20, 0x00, 537, &most),
            lying(0x20, 0x00, u16::MAX, &[]),
            lying(0x21, 0x11, 0x0300, &most),
            lying(0x21, 0x11, 0x010c | 0x8000, &V4),
        ] {
            assert_eq!(read(&bytes), Beginning::Other, "{bytes:?}");
        }
        // A length that says more than there is waits for it, and takes what comes for its own.
        let bytes = lying(0x21, 0x11, 16, &V4);
        assert_eq!(read(&bytes), Beginning::Partial);
        assert_eq!(read(&[&bytes[..], b"GET "].concat()), header(32, Some("192.0.2.7")));
        // What is wrong is seen before the rest is there.
        assert_eq!(read(&binary(0x22, 0x11, &V4)[..13]), Beginning::Other);
        assert_eq!(read(&binary(0x21, 0x41, &V4)[..14]), Beginning::Other);
        assert_eq!(read(&lying(0x21, 0x11, 0x0300, &[])[..15]), Beginning::Other);
    }

    #[test]
    fn what_is_no_header_is_seen_at_once() {
        for other in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"PROPFIND / HTTP/1.1\r\n",
            b"PUT",
            b"HEAD ",
            b"\n",
            b"\r\n\r\nG",
            b"\r\n\r\n\0\r\nQUIT\r",
            b"\x16\x03\x01",
            b" PROXY ",
            b"\r\nPROXY ",
        ] {
            assert_eq!(read(other), Beginning::Other, "{other:?}");
        }
        for partial in [&b""[..], b"P", b"PROXY", b"\r", b"\r\n\r\n", b"\r\n\r\n\0\r\nQUIT"] {
            assert_eq!(read(partial), Beginning::Partial, "{partial:?}");
        }
    }

    fn well_formed() -> impl Strategy<Value = (Vec<u8>, Option<IpAddr>)> {
        let ports = || (any::<u16>(), any::<u16>());
        let extensions = || proptest::collection::vec(any::<u8>(), 0..500);
        prop_oneof![
            (any::<Ipv4Addr>(), any::<Ipv4Addr>(), ports()).prop_map(|(client, server, (from, to))| {
                let line = format!("PROXY TCP4 {client} {server} {from} {to}\r\n");
                (line.into_bytes(), Some(IpAddr::from(client)))
            }),
            (any::<Ipv6Addr>(), any::<Ipv6Addr>(), ports()).prop_map(|(client, server, (from, to))| {
                let line = format!("PROXY TCP6 {client} {server} {from} {to}\r\n");
                (line.into_bytes(), Some(IpAddr::from(client).to_canonical()))
            }),
            "[ -~]{0,91}".prop_map(|rest| (format!("PROXY UNKNOWN {rest}\r\n").into_bytes(), None)),
            (any::<Ipv4Addr>(), any::<[u8; 8]>(), extensions()).prop_map(|(client, server, extensions)| {
                let rest = [&client.octets()[..], &server, &extensions].concat();
                (binary(0x21, 0x11, &rest), Some(IpAddr::from(client)))
            }),
            (any::<Ipv6Addr>(), any::<[u8; 20]>(), extensions()).prop_map(|(client, server, extensions)| {
                let rest = [&client.octets()[..], &server, &extensions].concat();
                (binary(0x21, 0x21, &rest), Some(IpAddr::from(client).to_canonical()))
            }),
            (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..=536))
                .prop_map(|(family, rest)| (binary(0x20, family, &rest), None)),
        ]
    }

    /// Anything that resembles a header.
    fn alike() -> impl Strategy<Value = Vec<u8>> {
        let beginning = select(vec![INTRODUCTION, SIGNATURE, b"PROXY TCP4 ", b"PROXY TCP6 ::1 ", b""]);
        let spoilt = (
            well_formed(),
            proptest::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        );
        prop_oneof![
            (beginning, proptest::collection::vec(any::<u8>(), 0..700))
                .prop_map(|(beginning, rest)| [beginning, &rest].concat()),
            spoilt.prop_map(|((mut bytes, _), changes)| {
                for (at, byte) in changes {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                bytes
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_header_is_read_whatever_follows((bytes, client) in well_formed(), rest in any::<Vec<u8>>()) {
            let expected = Beginning::Header { length: bytes.len(), client };
            prop_assert_eq!(read(&[&bytes[..], &rest].concat()), expected);
            for cut in 0..bytes.len() {
                prop_assert_eq!(read(&bytes[..cut]), Beginning::Partial, "cut at {}", cut);
            }
        }

        /// Wherever the stream is cut, what was found stands, and it is found in time.
        #[test]
        fn more_bytes_change_nothing_that_was_found(bytes in alike()) {
            let mut found = Beginning::Partial;
            for cut in 0..=bytes.len() {
                let now = read(&bytes[..cut]);
                if found == Beginning::Partial {
                    found = now;
                } else {
                    prop_assert_eq!(now, found, "cut at {}", cut);
                }
                match now {
                    Beginning::Partial => prop_assert!(cut < HEADER_BYTES_MAX),
                    Beginning::Header { length, .. } => prop_assert!(length <= cut && length <= HEADER_BYTES_MAX),
                    Beginning::Other => {}
                }
            }
        }
    }
}
