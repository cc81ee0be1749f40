/// Which web origins may use this server (`security.cors_origins`, spec 1, D36).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// `*`: every origin.
    Any,
    /// These only.
    Listed(Vec<String>),
}

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

    /// Whether `origin` may upgrade and read.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.iter().any(|item| item.eq_ignore_ascii_case(origin.trim())),
        }
    }

    /// Header lines of an answer to a request with this `Origin` header.
    #[must_use]
    pub fn headers_for(&self, origin: Option<&str>) -> String {
        let vary = "vary: origin, access-control-request-method, access-control-request-headers\r\n";
        match (self, origin) {
            (Self::Any, _) => format!("{vary}access-control-allow-origin: *\r\naccess-control-expose-headers: *\r\n"),
            (Self::Listed(_), Some(origin)) if self.allows(origin) => {
                format!("{vary}access-control-allow-origin: {}\r\n", origin.trim())
            }
            (Self::Listed(_), _) => vary.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allows_only_what_it_names() {
        let origins = Origins::parse(" https://a.example , https://b.example");
        assert!(origins.allows("https://a.example"));
        assert!(!origins.allows("https://c.example"));
        assert!(
            origins
                .headers_for(Some("https://b.example"))
                .contains("allow-origin: https://b.example\r\n")
        );
        assert!(!origins.headers_for(Some("https://c.example")).contains("allow-origin"));
        assert!(!origins.headers_for(None).contains("allow-origin"));
    }

    #[test]
    fn a_star_allows_all() {
        assert_eq!(Origins::parse("*"), Origins::Any);
        assert!(Origins::Any.headers_for(None).contains("allow-origin: *\r\n"));
    }
}
