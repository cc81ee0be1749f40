//! The address under which a client is counted (D23).

use std::net::{IpAddr, Ipv6Addr};

/// The bits of an IPv6 address that name a network; the others are the client's own choice.
const NETWORK_BITS: u128 = (u64::MAX as u128) << 64;

/// The address under which a client is counted (D23): IPv4-mapped IPv6 is IPv4, other IPv6 is its /64. Idempotent.
#[must_use]
pub fn normalise(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & NETWORK_BITS)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_are_ipv4_and_the_rest_of_ipv6_counts_per_64() {
        for (given, counted) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
            ("2001:db8:1:3::", "2001:db8:1:3::"),
            ("::1", "::"),
            // Neither is IPv4-mapped.
            ("::192.0.2.1", "::"),
            ("64:ff9b::192.0.2.1", "64:ff9b::"),
        ] {
            let once = normalise(given.parse().expect("an address"));
            assert_eq!(once, counted.parse::<IpAddr>().expect("an address"), "{given}");
            assert_eq!(normalise(once), once, "{given} twice");
        }
    }
}
