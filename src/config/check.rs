//! Checks of single strings: what the table of keys expects of text.

use super::key::TextCheck;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Any string.
pub(super) const ANY: TextCheck = TextCheck {
    expected: "a string",
    accept: |text| Some(text.to_owned()),
};

/// Something.
pub(super) const NOT_EMPTY: TextCheck = TextCheck {
    expected: "a string that is not blank",
    accept: |text| (!text.trim().is_empty()).then(|| text.to_owned()),
};

/// An address without a port.
pub(super) const ADDRESS: TextCheck = TextCheck {
    expected: "an IPv4 or IPv6 address such as \"0.0.0.0\" or \"::1\"",
    accept: |text| {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        bare.parse::<IpAddr>().ok().map(|address| address.to_string())
    },
};

/// CPUs such as `0-3,6`, or nothing.
pub(super) const CPU_LIST: TextCheck = TextCheck {
    expected: "CPUs such as \"0-3,6\", each below 1024, or an empty string",
    accept: |text| parse_cpus(text).map(|_| text.trim().to_owned()),
};

/// Letters and digits for the front of room codes.
pub(super) const CODE_PREFIX: TextCheck = TextCheck {
    expected: "ASCII letters and digits",
    accept: |text| {
        let prefix = text.trim().to_ascii_uppercase();
        prefix.bytes().all(|b| b.is_ascii_alphanumeric()).then_some(prefix)
    },
};

/// A semantic version.
pub(super) const VERSION: TextCheck = TextCheck {
    expected: "a version such as \"1.10.0\"",
    accept: |text| {
        semver::Version::parse(text.trim())
            .ok()
            .map(|version| version.to_string())
    },
};

/// One character.
pub(super) const SYMBOL: TextCheck = TextCheck {
    expected: "a string of exactly one character",
    accept: |text| {
        let mut chars = text.chars();
        (chars.next().is_some() && chars.next().is_none()).then(|| text.to_owned())
    },
};

/// The name of a file in a directory given elsewhere.
pub(super) const FILE_NAME: TextCheck = TextCheck {
    expected: "a file name without directories",
    accept: |text| {
        let named = !text.trim().is_empty() && text != "." && text != "..";
        (named && !text.contains(['/', '\0'])).then(|| text.to_owned())
    },
};

/// An address or a network; an address becomes the network of it alone.
pub(super) const NETWORK: TextCheck = TextCheck {
    expected: "an address or network such as \"192.0.2.1\" or \"10.0.0.0/8\"",
    accept: |text| {
        let text = text.trim();
        let net = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.ok().map(|net| net.trunc().to_string())
    },
};

/// A secret that cannot be guessed, in characters that a header may hold.
pub(super) const TOKEN: TextCheck = TextCheck {
    expected: "16 to 1024 letters, digits and signs without spaces",
    accept: |text| {
        let fits = (16..=1024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| text.to_owned())
    },
};

/// A secret that signs: RFC 7518 asks for as many bytes as the hash has.
pub(super) const SIGNING_SECRET: TextCheck = TextCheck {
    expected: "a string of at least 32 bytes",
    accept: |text| (text.len() >= 32).then(|| text.to_owned()),
};

/// Where public keys are: nobody on the way may change them.
pub(super) const KEYS_URL: TextCheck = TextCheck {
    expected: "a URL such as \"https://login.example.org/jwks.json\" without a user; http only to localhost, 127.0.0.1 or [::1]",
    accept: |text| {
        let text = text.trim();
        let url: ureq::http::Uri = text.parse().ok()?;
        let host = url.host().filter(|host| !host.is_empty())?;
        let safe = match url.scheme_str()? {
            "https" => true,
            "http" => is_this_machine(host),
            _ => false,
        };
        let names_user = url
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'));
        (safe && !names_user).then(|| text.to_owned())
    },
};

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `*` or origins. They are compared with the header byte for byte, so they are tidied the way browsers write them.
pub(super) const ORIGINS: TextCheck = TextCheck {
    expected: "\"*\" alone, or origins such as \"https://play.example.org,http://localhost:3000\" (scheme, host and port, \
               nothing after)",
    accept: |text| {
        if text.trim() == "*" {
            return Some("*".to_owned());
        }
        let origins = text.split(',').map(|origin| parse_origin(origin.trim()));
        origins.collect::<Option<Vec<_>>>().map(|origins| origins.join(","))
    },
};

/// The name of a subprotocol: a token of HTTP.
pub(super) const SUBPROTOCOL: TextCheck = TextCheck {
    expected: "a name of letters, digits and !#$%&'*+-.^_`|~",
    accept: |text| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        (!text.is_empty() && text.len() <= 128 && text.bytes().all(fits)).then(|| text.to_owned())
    },
};

/// One web origin.
pub(super) const ORIGIN: TextCheck = TextCheck {
    expected: "an origin such as \"https://play.example.org\" (scheme, host and port, nothing after)",
    accept: |text| parse_origin(text.trim()),
};

fn parse_origin(text: &str) -> Option<String> {
    if text == "null" {
        return Some(text.to_owned());
    }
    let (scheme, host) = text.split_once("://")?;
    let scheme_fits = !scheme.is_empty()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let host_fits = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'));
    if !scheme_fits || !host_fits {
        return None;
    }
    let origin = text.to_ascii_lowercase();
    let (host, port) = match host.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => return Some(origin),
    };
    if host.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err() {
        return None;
    }
    // Browsers leave out the port that the scheme has anyway.
    let own = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        _ => "",
    };
    match origin.strip_suffix(own) {
        Some(short) if !own.is_empty() => Some(short.to_owned()),
        _ => Some(origin),
    }
}

/// The CPUs of a list such as `0-3,6`: sorted, each once. `None` if it is not such a list.
pub(crate) fn parse_cpus(text: &str) -> Option<Vec<usize>> {
    const CPU_MAX: usize = 1023;
    let mut cpus = BTreeSet::new();
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (parse_cpu(first)?, parse_cpu(last)?);
        if first > last || last > CPU_MAX {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus.into_iter().collect())
}

fn parse_cpu(text: &str) -> Option<usize> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}
