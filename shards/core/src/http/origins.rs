//! Which web pages may use this server (protocol 1, D36).

use std::str;

/// The web origins that may connect and read (`security.cors_origins`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// `*`: every origin.
    Any,
    /// These only.
    Listed(Vec<String>),
}

/// What plain answers depend on: the origin, and for pages the encodings that the client takes.
const VARY: &str = "vary: origin, access-control-request-method, access-control-request-headers, accept-encoding\r\n";

impl Origins {
    /// From the configured text: `*`, or a comma-separated list.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let listed: Vec<String> = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect();
        if listed.iter().any(|item| item == "*") {
            Self::Any
        } else {
            Self::Listed(listed)
        }
    }

    /// These only; an empty list stops nobody.
    #[must_use]
    pub fn any_or_listed(origins: &[String]) -> Self {
        if origins.is_empty() {
            Self::Any
        } else {
            Self::Listed(origins.to_vec())
        }
    }

    /// Whether the origin of this `Origin` header may upgrade and read.
    #[must_use]
    pub fn allows(&self, origin: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed
                .iter()
                .any(|item| item.as_bytes().eq_ignore_ascii_case(origin.trim_ascii())),
        }
    }

    /// Header lines of an answer to a request with this `Origin` header.
    pub(super) fn headers_for(&self, origin: Option<&[u8]>) -> String {
        if *self == Self::Any {
            return format!("{VARY}access-control-allow-origin: *\r\naccess-control-expose-headers: *\r\n");
        }
        let allowed = origin
            .filter(|origin| self.allows(origin))
            .and_then(|origin| str::from_utf8(origin.trim_ascii()).ok());
        match allowed {
            Some(origin) => format!("{VARY}access-control-allow-origin: {origin}\r\n"),
            None => VARY.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allows_only_what_it_names() {
        let origins = Origins::parse(" https://a.example , https://b.example");
        assert!(origins.allows(b"https://a.example"));
        assert!(!origins.allows(b"https://c.example"));
        assert!(!origins.allows(b"https://a.example\xff"));
        assert!(
            origins
                .headers_for(Some(b"https://b.example"))
                .contains("allow-origin: https://b.example\r\n")
        );
        for stranger in [Some(&b"https://c.example"[..]), Some(b"\xff"), None] {
            assert_eq!(origins.headers_for(stranger), VARY);
        }
    }

    #[test]
    fn a_star_allows_all() {
        assert_eq!(Origins::parse("https://a.example, *"), Origins::Any);
        assert!(Origins::Any.allows(b"\xff"));
        let headers = Origins::Any.headers_for(None);
        assert!(headers.starts_with(VARY) && headers.contains("allow-origin: *\r\n"));
    }

    #[test]
    fn an_empty_list_allows_nobody() {
        assert!(!Origins::parse("").allows(b"https://a.example"));
        assert!(!Origins::parse("").allows(b""));
    }
}
