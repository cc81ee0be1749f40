//! `relay.redis_url`. It may hold a password, so it is shown nowhere.

use percent_encoding::percent_decode_str;
use std::fmt;

/// Where Redis is, and who this server is to it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl {
    /// A name or an address.
    pub(crate) host: String,
    pub(crate) port: u16,
    user: Option<String>,
    password: Option<String>,
    database: u32,
}

impl RedisUrl {
    /// Reads `redis://[[user]:password@]host[:port][/database]`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("redis://")?;
        let (rest, database) = match rest.split_once('/') {
            Some((rest, "")) => (rest, 0),
            Some((rest, database)) => (rest, database.parse().ok()?),
            None => (rest, 0),
        };
        let (who, place) = match rest.rsplit_once('@') {
            Some((who, place)) => (Some(who), place),
            None => (None, rest),
        };
        let (user, password) = match who.map(|who| who.split_once(':')) {
            Some(Some((user, password))) => (Some(decoded(user)?), Some(decoded(password)?)),
            Some(None) => return None,
            None => (None, None),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(place) => {
                let (host, port) = place.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, port)
            }
            None => match place.find(':') {
                Some(at) => place.split_at(at),
                None => (place, ""),
            },
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port != 0)?,
            None if port.is_empty() => 6379,
            None => return None,
        };
        let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(fits) {
            return None;
        }
        Some(Self {
            host: host.to_owned(),
            port,
            user: user.filter(|user| !user.is_empty()),
            password: password.filter(|password| !password.is_empty()),
            database,
        })
    }

    /// What is said on every new connection.
    pub(crate) fn greetings(&self) -> Vec<Vec<String>> {
        let mut greetings = Vec::new();
        if let Some(password) = &self.password {
            let mut auth = vec!["AUTH".to_owned()];
            auth.extend(self.user.clone());
            auth.push(password.clone());
            greetings.push(auth);
        }
        if self.database != 0 {
            greetings.push(vec!["SELECT".to_owned(), self.database.to_string()]);
        }
        greetings
    }
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

/// Passwords are shown nowhere.
impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_who() {
        for (text, host, port, greetings) in [
            ("redis://127.0.0.1", "127.0.0.1", 6379, ""),
            ("redis://redis.example:7000/", "redis.example", 7000, ""),
            ("redis://[::1]:7000/3", "::1", 7000, "SELECT 3"),
            ("redis://:p%40ss:word@localhost", "localhost", 6379, "AUTH p@ss:word"),
            ("redis://me:p@a/b@localhost/1", "", 0, "refused"),
            (
                "redis://me:secret@localhost/1",
                "localhost",
                6379,
                "AUTH me secret, SELECT 1",
            ),
        ] {
            let url = RedisUrl::parse(text);
            if greetings == "refused" {
                assert_eq!(url, None, "{text}");
                continue;
            }
            let url = url.unwrap();
            assert_eq!((url.host.as_str(), url.port), (host, port), "{text}");
            let said: Vec<_> = url.greetings().iter().map(|words| words.join(" ")).collect();
            assert_eq!(said.join(", "), greetings, "{text}");
            assert_eq!(format!("{url:?}"), "RedisUrl(..)");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "localhost:6379",
            "rediss://localhost",
            "redis://",
            "redis://:6379",
            "redis://localhost:0",
            "redis://localhost:70000",
            "redis://localhost:x",
            "redis://localhost/x",
            "redis://me@localhost",
            "redis://[::1",
            "redis://[::g]:1",
            "redis://[::1]x",
            "redis://a b",
            "redis://:%ff@localhost",
        ] {
            assert_eq!(RedisUrl::parse(text), None, "{text}");
        }
    }
}
