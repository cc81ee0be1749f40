//! The address that limits are counted for (D23).

use super::head::Head;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// Peers whose `X-Forwarded-For` or `Forwarded` header is believed (`security.trusted_proxies`).
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// From a list of networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The client's address: the peer's, or behind trusted proxies the rightmost address that is not one of theirs.
    pub(super) fn client_address(&self, peer: IpAddr, head: &Head<'_>) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let forwarded_for = head.all("x-forwarded-for").rev().flat_map(|value| value.rsplit(','));
        let forwarded = head
            .all("forwarded")
            .rev()
            .flat_map(|value| value.rsplit(','))
            .map(for_parameter);
        let hops: Box<dyn Iterator<Item = &str>> = if head.header("x-forwarded-for").is_some() {
            Box::new(forwarded_for)
        } else {
            Box::new(forwarded)
        };
        for hop in hops {
            // What cannot be read hides everything to its left; the last proxy that could be read stands for the client.
            let Some(address) = parse_hop(hop) else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The value of `for=` in one element of a `Forwarded` header.
fn for_parameter(element: &str) -> &str {
    element
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
        .map_or("", |(_, value)| value)
}

/// An address as proxies write it: bare, with a port, in brackets, in quotes.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim().trim_matches('"');
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

    fn address(proxies: &[&str], peer: &str, header_lines: &str) -> String {
        let proxies = TrustedProxies::new(proxies.iter().map(|net| net.parse().expect("a network")).collect());
        let bytes = format!("GET / HTTP/1.1\r\n{header_lines}\r\n");
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let head = Head::parse(bytes.as_bytes(), &mut headers).expect("a head");
        proxies
            .client_address(peer.parse().expect("an address"), &head)
            .to_string()
    }

    #[test]
    fn headers_of_strangers_are_not_believed() {
        assert_eq!(address(&[], "10.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n"), "10.0.0.1");
        assert_eq!(
            address(&["10.1.0.0/16"], "10.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n"),
            "10.0.0.1"
        );
    }

    #[test]
    fn the_rightmost_untrusted_address_counts() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(
            address(&trusted, "10.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.2\r\n"),
            "1.2.3.4"
        );
        assert_eq!(
            address(
                &trusted,
                "10.0.0.1",
                "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4:5678\r\n"
            ),
            "1.2.3.4"
        );
        assert_eq!(
            address(&trusted, "10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n"),
            "10.0.0.3"
        );
        assert_eq!(
            address(&trusted, "10.0.0.1", "X-Forwarded-For: 1.1.1.1, unknown\r\n"),
            "10.0.0.1"
        );
        assert_eq!(address(&trusted, "10.0.0.1", ""), "10.0.0.1");
    }

    #[test]
    fn the_standard_header_is_read_too() {
        let trusted = ["10.0.0.0/8", "::1/128"];
        assert_eq!(
            address(
                &trusted,
                "::1",
                "Forwarded: for=6.6.6.6, for=\"[2001:db8::7]:4711\";proto=https\r\n"
            ),
            "2001:db8::7"
        );
        assert_eq!(
            address(&trusted, "10.0.0.1", "Forwarded: proto=http; For=192.0.2.60\r\n"),
            "192.0.2.60"
        );
    }

    #[test]
    fn mapped_addresses_are_the_old_ones() {
        assert_eq!(address(&[], "::ffff:1.2.3.4", ""), "1.2.3.4");
        assert_eq!(
            address(
                &["10.0.0.0/8"],
                "::ffff:10.0.0.1",
                "X-Forwarded-For: ::ffff:9.9.9.9\r\n"
            ),
            "9.9.9.9"
        );
    }
}
