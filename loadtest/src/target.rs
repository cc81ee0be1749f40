//! The server under load, from `--url`.

use crate::tls::{Tls, TlsFiles};
use std::net::{SocketAddr, ToSocketAddrs};

/// Where to connect and what to ask for.
#[derive(Debug, Clone)]
pub struct Target {
    /// The URL as it was given.
    pub url: String,
    /// Resolved address.
    pub address: SocketAddr,
    host: String,
    path: String,
    /// With `wss://`.
    pub(crate) tls: Option<Tls>,
}

impl Target {
    /// Reads `ws://host[:port][/path]`, or `wss://`, and resolves the host. The path defaults to `/v2/ws`, the port to 3536.
    /// Of TLS the authorities of the system are trusted.
    ///
    /// # Errors
    /// A sentence on what is wrong with the URL, or why its host cannot be resolved.
    pub fn parse(url: &str) -> Result<Self, String> {
        Self::parse_with(url, &TlsFiles::default())
    }

    /// The same, with what is to be trusted and shown if it is `wss://`.
    ///
    /// # Errors
    /// As [`Self::parse`]; a sentence on a file that cannot be used.
    pub fn parse_with(url: &str, files: &TlsFiles) -> Result<Self, String> {
        let secure = url.strip_prefix("wss://");
        let rest = secure
            .or_else(|| url.strip_prefix("ws://"))
            .ok_or_else(|| format!("`{url}` does not start with ws:// or wss://"))?;
        let (host, path) = match rest.find('/') {
            Some(slash) => (&rest[..slash], &rest[slash..]),
            None => (rest, "/v2/ws"),
        };
        let port_follows = host.rfind(':').is_some_and(|colon| !host[colon..].contains(']'));
        let authority = if port_follows {
            host.to_owned()
        } else {
            format!("{host}:3536")
        };
        let address = authority
            .to_socket_addrs()
            .map_err(|error| format!("cannot resolve `{authority}` of `{url}`: {error}"))?
            .next()
            .ok_or_else(|| format!("`{authority}` has no address"))?;
        let path = if path == "/" { "/v2/ws" } else { path };
        let tls = match secure {
            Some(_) => {
                let name = authority.rsplit_once(':').map_or(authority.as_str(), |(name, _)| name);
                Some(Tls::new(name, files)?)
            }
            None => None,
        };
        Ok(Self {
            url: url.to_owned(),
            address,
            host: authority,
            path: path.to_owned(),
            tls,
        })
    }

    /// The HTTP request that opens a WebSocket.
    #[must_use]
    pub fn upgrade_request(&self) -> Vec<u8> {
        // The key only guards against caches that replay an old answer; one for all is enough here.
        format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: c2lnbmFsLWZpc2gtbG9hZA==\r\n\r\n",
            self.path, self.host
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_port_have_defaults() {
        let target = Target::parse("ws://127.0.0.1").unwrap();
        assert_eq!((target.address.port(), target.path.as_str()), (3536, "/v2/ws"));
        let target = Target::parse("ws://[::1]:9/").unwrap();
        assert_eq!((target.address.port(), target.path.as_str()), (9, "/v2/ws"));
        assert_eq!(Target::parse("ws://127.0.0.1:9/x/y").unwrap().path, "/x/y");
    }

    #[test]
    fn files_of_tls_are_named_if_they_cannot_be_used() {
        let files = TlsFiles {
            authorities: Some("/nowhere/ca.pem".into()),
            ..TlsFiles::default()
        };
        assert!(Target::parse_with("ws://127.0.0.1", &files).is_ok());
        let fault = Target::parse_with("wss://[::1]:9", &files).unwrap_err();
        assert!(fault.contains("/nowhere/ca.pem"), "{fault}");
    }

    #[test]
    fn other_schemes_and_hosts_that_do_not_exist_are_refused() {
        assert!(Target::parse("https://127.0.0.1").is_err());
        assert!(Target::parse("ws://127.0.0.1:99999").is_err());
    }
}
