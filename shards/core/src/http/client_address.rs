//! The address that limits are counted for, also behind proxies (D23).

use super::head::Head;
use ipnet::{IpNet, Ipv4Net};
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::str;

/// Peers that are believed about their clients (`security.trusted_proxies`), and the header that they write.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ClientIpHeader,
    proxy_protocol: bool,
}

/// The one header that trusted proxies write (`security.client_ip_header`). The other one is never believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientIpHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl TrustedProxies {
    /// From a list of networks. A network of IPv4-mapped addresses counts as its IPv4 network.
    #[must_use]
    pub fn new(networks: Vec<IpNet>, header: ClientIpHeader) -> Self {
        let networks = networks.into_iter().map(canonical).collect();
        Self {
            networks,
            header,
            proxy_protocol: false,
        }
    }

    /// The same proxies, which begin every connection with a PROXY protocol header (`security.proxy_protocol`), or do not.
    #[must_use]
    pub fn with_proxy_protocol(self, proxy_protocol: bool) -> Self {
        Self { proxy_protocol, ..self }
    }

    /// Whether a connection of this peer has to begin with a PROXY protocol header.
    #[must_use]
    pub fn introduces(&self, peer: IpAddr) -> bool {
        self.proxy_protocol && self.trusts(peer)
    }

    /// Whether the peer with this address is believed about its clients.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether a trusted proxy says that the client came with TLS; `None` if the peer is none.
    pub(super) fn says_secure(&self, peer: IpAddr, head: &Head<'_>) -> Option<bool> {
        if !self.trusts(peer.to_canonical()) {
            return None;
        }
        // Each proxy adds its own to the right, and the last one is the one that is trusted.
        let said = head.all("x-forwarded-proto").last().unwrap_or_default();
        let last = said
            .rsplit(|&byte| byte == b',')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        Some(last.eq_ignore_ascii_case(b"https") || last.eq_ignore_ascii_case(b"wss"))
    }

    /// The client's address: the peer's, or behind trusted proxies the rightmost address that is not one of theirs.
    pub(super) fn client_address(&self, peer: IpAddr, head: &Head<'_>) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        match self.header {
            ClientIpHeader::XForwardedFor => {
                let values = head.all("x-forwarded-for").rev();
                let hops = values.flat_map(|value| value.rsplit(|&byte| byte == b','));
                self.rightmost_stranger(peer, hops.map(address))
            }
            ClientIpHeader::Forwarded => {
                let values = head.all("forwarded").rev();
                let hops = values.flat_map(|value| from_the_right(value, b','));
                self.rightmost_stranger(peer, hops.map(for_address))
            }
        }
    }

    /// Follows the hops as long as they are trusted. A hop that is no address hides everything to its left: the last
    /// proxy that could be read stands for the client.
    fn rightmost_stranger(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for hop in hops {
            let Some(address) = hop else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

fn canonical(network: IpNet) -> IpNet {
    /// The bits of an IPv4-mapped address before the IPv4 address.
    const MAPPED_BITS: u8 = 96;
    let IpNet::V6(v6) = network else { return network };
    let Some(v4) = v6.addr().to_ipv4_mapped() else {
        return network;
    };
    let bits = v6.prefix_len().checked_sub(MAPPED_BITS);
    bits.and_then(|bits| Ipv4Net::new(v4, bits).ok())
        .map_or(network, IpNet::V4)
}

/// The parts of a `Forwarded` header between separators, the last one first. A separator in quotes is none. The quotes are
/// read from the right, too, so that what a proxy added means the same whatever its client wrote before it.
fn from_the_right(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    iter::from_fn(move || {
        let text = rest.take()?;
        let mut end = text.len();
        while let Some((&last, before)) = text[..end].split_last() {
            end = before.len();
            if last == separator {
                rest = Some(before);
                return Some(&text[end + 1..]);
            }
            if last == b'"' {
                // Without an opening quote the rest is one part, which no address can be read from.
                end = opening_quote(before).unwrap_or(0);
            }
        }
        Some(text)
    })
}

/// The rightmost quote that no backslash escapes.
fn opening_quote(text: &[u8]) -> Option<usize> {
    let mut end = text.len();
    loop {
        let at = text[..end].iter().rposition(|&byte| byte == b'"')?;
        let escapes = text[..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
        if escapes % 2 == 0 {
            return Some(at);
        }
        end = at;
    }
}

/// The address in one element of a `Forwarded` header, which has one `for=`.
fn for_address(element: &[u8]) -> Option<IpAddr> {
    let mut values = from_the_right(element, b';').filter_map(|pair| {
        let at = pair.iter().position(|&byte| byte == b'=')?;
        let is_for = pair[..at].trim_ascii().eq_ignore_ascii_case(b"for");
        is_for.then_some(&pair[at + 1..])
    });
    let value = values.next()?;
    values.next().is_none().then(|| address(value)).flatten()
}

/// An address as proxies write it: bare, with a port, in brackets, in quotes.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = hop.trim_ascii();
    let unquoted = hop.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let hop = str::from_utf8(unquoted.unwrap_or(hop)).ok()?;
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(hop);
    bare.parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::super::head::HEADERS_MAX;
    use super::*;

    fn client(header: ClientIpHeader, proxies: &[&str], peer: &str, header_lines: &[u8]) -> String {
        let networks = proxies.iter().map(|net| net.parse().expect("a network")).collect();
        let bytes = [b"GET / HTTP/1.1\r\nHost: a\r\n", header_lines, b"\r\n"].concat();
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let head = Head::parse(&bytes, &mut headers).expect("a head");
        TrustedProxies::new(networks, header)
            .client_address(peer.parse().expect("an address"), &head)
            .to_string()
    }

    /// The client behind the proxy 10.0.0.1, which trusts its own network.
    fn x_forwarded_for(lines: &[u8]) -> String {
        client(ClientIpHeader::XForwardedFor, &["10.0.0.0/8"], "10.0.0.1", lines)
    }

    fn forwarded(lines: &[u8]) -> String {
        client(ClientIpHeader::Forwarded, &["10.0.0.0/8"], "10.0.0.1", lines)
    }

    #[test]
    fn headers_of_strangers_are_not_believed() {
        for header in [ClientIpHeader::XForwardedFor, ClientIpHeader::Forwarded] {
            for proxies in [&[][..], &["10.1.0.0/16"]] {
                let lines = b"X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n";
                assert_eq!(client(header, proxies, "10.0.0.1", lines), "10.0.0.1");
            }
        }
    }

    #[test]
    fn the_rightmost_untrusted_address_counts() {
        for (lines, expected) in [
            ("X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.2\r\n", "1.2.3.4"),
            (
                "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4:5678\r\n",
                "1.2.3.4",
            ),
            ("X-Forwarded-For: 1.2.3.4\r\nx-forwarded-for: 10.0.0.3\r\n", "1.2.3.4"),
            ("X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"),
            ("X-Forwarded-For: \"[2001:db8::7]:4711\"\r\n", "2001:db8::7"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(x_forwarded_for(lines.as_bytes()), expected, "{lines}");
        }
    }

    #[test]
    fn what_is_no_address_ends_the_search_at_the_last_proxy() {
        for (line, expected) in [
            (&b"1.1.1.1, unknown"[..], "10.0.0.1"),
            (b"1.1.1.1, unknown, 10.0.0.2", "10.0.0.2"),
            (b"1.1.1.1, \xff\xfe, 10.0.0.2", "10.0.0.2"),
            (b"\xff, 2.2.2.2", "2.2.2.2"),
            (b"1.1.1.1,", "10.0.0.1"),
            (b"1.1.1.1, \"2.2.2.2", "10.0.0.1"),
            (b"1.1.1.1, 2.2.2.2, 10.0.0.2:99999", "10.0.0.1"),
        ] {
            let lines = [b"X-Forwarded-For: ", line, b"\r\n"].concat();
            assert_eq!(x_forwarded_for(&lines), expected, "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(
            x_forwarded_for(b"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For:\r\n"),
            "10.0.0.1"
        );
    }

    #[test]
    fn only_the_configured_header_is_believed() {
        let both = b"X-Forwarded-For: 1.1.1.1\r\nForwarded: for=2.2.2.2\r\n";
        assert_eq!(x_forwarded_for(both), "1.1.1.1");
        assert_eq!(forwarded(both), "2.2.2.2");
        assert_eq!(forwarded(b"X-Forwarded-For: 1.1.1.1\r\n"), "10.0.0.1");
        assert_eq!(x_forwarded_for(b"Forwarded: for=1.1.1.1\r\n"), "10.0.0.1");
        // It is not believed either where the configured one cannot be read.
        assert_eq!(
            x_forwarded_for(b"X-Forwarded-For: unknown\r\nForwarded: for=1.1.1.1\r\n"),
            "10.0.0.1"
        );
    }

    #[test]
    fn the_standard_header_is_read_from_the_right() {
        for (value, expected) in [
            (r#"for=6.6.6.6, for="[2001:db8::7]:4711";proto=https"#, "2001:db8::7"),
            ("proto=http; For=192.0.2.60", "192.0.2.60"),
            ("for=1.1.1.1, for=10.0.0.2, FOR = \"10.0.0.3:80\"", "1.1.1.1"),
            // Quotes that a client left open do not swallow what the proxy adds.
            (r#"for="6.6.6.6, for=1.1.1.1"#, "1.1.1.1"),
            (r#"for="6.6.6.6, for="1.1.1.1""#, "1.1.1.1"),
            // What a proxy quotes is no element, however it looks.
            (r#"for=1.1.1.1;host="a,for=6.6.6.6""#, "1.1.1.1"),
            (r#"for=1.1.1.1;host="a,for=6.6.6.6;b=\"""#, "1.1.1.1"),
            (r#"for=1.1.1.1;host="a;for=6.6.6.6\\""#, "1.1.1.1"),
            // No address.
            (r#"for=6.6.6.6;by=""#, "10.0.0.1"),
            (r#"for=6.6.6.6""#, "10.0.0.1"),
            ("for=6.6.6.6, for=_hidden", "10.0.0.1"),
            ("for=6.6.6.6, for=unknown", "10.0.0.1"),
            ("for=6.6.6.6, proto=https", "10.0.0.1"),
            ("for=6.6.6.6;for=7.7.7.7", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            let line = format!("Forwarded: {value}\r\n");
            assert_eq!(forwarded(line.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn mapped_addresses_are_the_old_ones() {
        let header = ClientIpHeader::XForwardedFor;
        let line = b"X-Forwarded-For: ::ffff:9.9.9.9\r\n";
        assert_eq!(client(header, &[], "::ffff:1.2.3.4", b""), "1.2.3.4");
        for network in ["10.0.0.0/8", "::ffff:10.0.0.0/104"] {
            for peer in ["10.0.0.1", "::ffff:10.0.0.1"] {
                assert_eq!(client(header, &[network], peer, line), "9.9.9.9", "{network} {peer}");
            }
        }
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().expect("a network")], header);
        assert!(proxies.trusts("::ffff:10.0.0.1".parse().expect("an address")));
        assert!(!proxies.trusts("11.0.0.1".parse().expect("an address")));
    }
}
