//! Where a set of public keys comes from: a file, or a URL (R16, R17).

use super::keys::Keys;
use crate::config::RelayAuth;
use rustls::crypto::ring;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// A set of keys is a few kilobytes.
const BYTES_MAX: u64 = 1024 * 1024;
/// How long a fetch may take, the name of the host and the last byte included.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the keys come from.
pub(super) enum Source {
    /// `relay.auth.jwks_file`.
    File(String),
    /// `relay.auth.jwks_url`.
    Url {
        /// The URL.
        url: String,
        /// What of it may be shown.
        shown: String,
        agent: Box<Agent>,
    },
}

impl Source {
    /// Of the configuration; none with a secret.
    ///
    /// # Errors
    /// When there are no authorities to trust.
    pub(super) fn new(auth: &RelayAuth) -> Result<Option<Self>, String> {
        if let Some(file) = &auth.jwks_file {
            return Ok(Some(Self::File(file.clone())));
        }
        let Some(url) = &auth.jwks_url else {
            return Ok(None);
        };
        let parsed: Uri = url.parse().map_err(|_| "relay.auth.jwks_url is no URL".to_owned())?;
        let scheme = parsed.scheme_str().unwrap_or_default();
        // A query may hold a key of the issuer.
        let shown = format!(
            "{scheme}://{}",
            parsed.authority().map_or("", |authority| authority.as_str())
        );
        let mut config = Agent::config_builder()
            .timeout_global(Some(FETCH_TIMEOUT))
            // Whoever answers could send the request anywhere, also to where plain HTTP is not allowed.
            .max_redirects(0)
            .max_idle_connections(0)
            .user_agent(concat!("signal-fish-server/", env!("CARGO_PKG_VERSION")));
        if scheme == "http" {
            // It goes to this machine.
            config = config.proxy(None);
        } else {
            config = config.https_only(true).tls_config(trust()?);
        }
        Ok(Some(Self::Url {
            url: url.clone(),
            shown,
            agent: Box::new(config.build().new_agent()),
        }))
    }

    /// Reads the keys. Waits at most [`FETCH_TIMEOUT`] for a URL.
    ///
    /// # Errors
    /// The source, and what is wrong with it.
    pub(super) fn read(&self) -> Result<(Keys, usize), String> {
        let text = match self {
            Self::File(path) => read_file(path).map_err(|error| error.to_string()),
            Self::Url { url, agent, .. } => fetch(agent, url),
        };
        text.and_then(|text| Keys::set(&text))
            .map_err(|problem| format!("{self}: {problem}"))
    }
}

/// TLS with the authorities of the system, or those that `SSL_CERT_FILE` names.
fn trust() -> Result<TlsConfig, String> {
    let found = rustls_native_certs::load_native_certs();
    let authorities: Vec<_> = found
        .certs
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    if authorities.is_empty() {
        return Err("this system has no certificate authorities (see SSL_CERT_FILE)".to_owned());
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(authorities)))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build())
}

fn read_file(path: &str) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(too_large()));
    }
    Ok(text)
}

fn fetch(agent: &Agent, url: &str) -> Result<Vec<u8>, String> {
    let mut answer = agent.get(url).call().map_err(readable)?;
    if answer.status() != 200 {
        return Err(format!("answered with {}", answer.status().as_u16()));
    }
    answer
        .body_mut()
        .with_config()
        .limit(BYTES_MAX)
        .read_to_vec()
        .map_err(readable)
}

/// An error in words that show no part of a URL but its host.
fn readable(error: ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(status) => format!("answered with {status}"),
        ureq::Error::BodyExceedsLimit(_) => too_large(),
        ureq::Error::Timeout(_) => format!("no whole answer within {} s", FETCH_TIMEOUT.as_secs()),
        ureq::Error::HostNotFound => "the host is not found".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Rustls(error) => error.to_string(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        _ => "it speaks no proper HTTP".to_owned(),
    }
}

fn too_large() -> String {
    format!("it is larger than {BYTES_MAX} bytes")
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "relay.auth.jwks_file {path}"),
            Self::Url { shown, .. } => write!(f, "relay.auth.jwks_url at {shown}"),
        }
    }
}
