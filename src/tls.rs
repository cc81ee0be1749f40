//! The certificates of the server: read from files, checked before anybody meets them, watched until they expire.
//!
//! What is checked here is told with the key that named the file. A file that is wrong stops the start, and changes nothing
//! when it is met by a reload (T1, T7).

use crate::Config;
use crate::config::ClientAuth;
use crate::host::Finding;
use signal_fish_core::transport::Acceptor;
use std::time::SystemTime;

/// Something wrong with a key or its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) key: &'static str,
    pub(crate) value: Option<String>,
    pub(crate) problem: String,
}

const ENABLED: &str = "security.transport.tls.enabled";
#[cfg(feature = "tls")]
const CERTIFICATE: &str = "security.transport.tls.certificate_path";
#[cfg(feature = "tls")]
const KEY: &str = "security.transport.tls.private_key_path";
#[cfg(feature = "tls")]
const CLIENT_AUTHORITIES: &str = "security.transport.tls.client_ca_cert_path";
const CLIENT_AUTH: &str = "security.transport.tls.client_auth";

/// What is wrong with the files and keys.
pub(crate) fn faults(config: &Config) -> Vec<Fault> {
    let tls = &config.security.transport.tls;
    let fault = |key, value: &str, problem: &str| {
        vec![Fault {
            key,
            value: Some(value.to_owned()),
            problem: problem.to_owned(),
        }]
    };
    if !tls.enabled {
        // It would protect something, and nobody would be asked.
        return match tls.client_auth {
            ClientAuth::None => Vec::new(),
            _ => fault(
                CLIENT_AUTH,
                "not none",
                "expected none, or security.transport.tls.enabled",
            ),
        };
    }
    if cfg!(not(feature = "tls")) {
        return fault(ENABLED, "true", "this build has no TLS (feature `tls`); expected false");
    }
    files::faults(config)
}

/// What is right and still worth a warning: a certificate that expires soon, RSA, a chain out of order.
pub(crate) fn doubts(config: &Config) -> Vec<String> {
    if config.security.transport.tls.enabled {
        files::doubts(config)
    } else {
        Vec::new()
    }
}

/// What is to be said today about the end of the certificate.
#[must_use]
pub fn expiry_warning(config: &Config) -> Option<String> {
    files::expiry_warning(config)
}

/// What `--check` says about the certificate.
pub(crate) fn finding(config: &Config) -> Option<Finding> {
    config
        .security
        .transport
        .tls
        .enabled
        .then(|| match files::holds(config) {
            Some(text) => match files::expiry_warning(config) {
                Some(warning) => Finding::advice("certificate", warning),
                None => Finding::fine("certificate", text),
            },
            None => Finding::failure("certificate", "it cannot be read"),
        })
}

/// How long the certificate holds, in words; `None` without TLS.
#[cfg(feature = "cli")]
pub(crate) fn holds(config: &Config) -> Option<String> {
    config
        .security
        .transport
        .tls
        .enabled
        .then(|| files::holds(config))
        .flatten()
}

/// When the certificate expires; `None` without TLS.
pub(crate) fn expires(config: &Config) -> Option<SystemTime> {
    config
        .security
        .transport
        .tls
        .enabled
        .then(|| files::expires(config))
        .flatten()
}

/// Reads the files and makes what the shards accept connections with. `before` is what they use now.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn load(config: &Config, before: Option<&Acceptor>) -> Result<Acceptor, String> {
    files::load(config, before)
}

#[cfg(feature = "tls")]
mod files {
    use super::{CERTIFICATE, CLIENT_AUTH, CLIENT_AUTHORITIES, Fault, KEY};
    use crate::Config;
    use crate::config::ClientAuth;
    use signal_fish_core::transport::pki_types::CertificateDer;
    use signal_fish_core::transport::time_provider::DefaultTimeProvider;
    use signal_fish_core::transport::{self, Acceptor, Identity, TlsFault, certificates_of_pem, key_of_pem};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::time::{SystemTime, UNIX_EPOCH};
    use x509_parser::prelude::{FromDer, X509Certificate};

    /// From when on the end of the certificate is warned of, in days.
    const WARNED_DAYS: i64 = 14;
    const DAY_SECS: i64 = 86_400;
    /// Larger files are no certificates.
    const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

    pub(super) fn faults(config: &Config) -> Vec<Fault> {
        match identity(config) {
            Err(faults) => faults,
            Ok(identity) => match accept(identity, None) {
                Ok(_) => Vec::new(),
                Err(fault) => {
                    let tls = &config.security.transport.tls;
                    let (key, path, problem) = match fault {
                        TlsFault::Certificate(text) => (CERTIFICATE, &tls.certificate_path, text),
                        TlsFault::Key(text) => (KEY, &tls.private_key_path, text),
                        TlsFault::ClientAuthorities(text) => (CLIENT_AUTHORITIES, &tls.client_ca_cert_path, text),
                    };
                    vec![fault_of(key, path.as_deref(), problem)]
                }
            },
        }
    }

    pub(super) fn load(config: &Config, before: Option<&Acceptor>) -> Result<Acceptor, String> {
        let identity = identity(config).map_err(|faults| {
            let faults: Vec<_> = faults
                .iter()
                .map(|fault| format!("{}: {}", fault.key, fault.problem))
                .collect();
            faults.join("; ")
        })?;
        accept(identity, before).map_err(|fault| fault.to_string())
    }

    fn accept(identity: Identity, before: Option<&Acceptor>) -> Result<Acceptor, TlsFault> {
        Acceptor::new(identity, Arc::new(DefaultTimeProvider), before)
    }

    fn identity(config: &Config) -> Result<Identity, Vec<Fault>> {
        let tls = &config.security.transport.tls;
        let mut faults = Vec::new();
        let mut note = |result: Result<_, Fault>| result.map_err(|fault| faults.push(fault)).ok();
        let chain = note(read(CERTIFICATE, &tls.certificate_path, certificates_of_pem));
        let authorities = match tls.client_auth {
            ClientAuth::None => Some(Vec::new()),
            _ => note(read(CLIENT_AUTHORITIES, &tls.client_ca_cert_path, certificates_of_pem)),
        };
        let key = read(KEY, &tls.private_key_path, key_of_pem)
            .map_err(|fault| faults.push(fault))
            .ok();
        let (Some(chain), Some(authorities), Some(key)) = (chain, authorities, key) else {
            return Err(faults);
        };
        let client_auth = match tls.client_auth {
            ClientAuth::None => transport::ClientAuth::None,
            ClientAuth::Optional => transport::ClientAuth::Optional(authorities),
            ClientAuth::Require => transport::ClientAuth::Require(authorities),
        };
        Ok(Identity {
            chain,
            key,
            client_auth,
        })
    }

    fn read<T>(key: &'static str, path: &Option<PathBuf>, parse: fn(&[u8]) -> Result<T, String>) -> Result<T, Fault> {
        let Some(path) = path.as_deref() else {
            let needed_by = if key == CLIENT_AUTHORITIES {
                CLIENT_AUTH
            } else {
                super::ENABLED
            };
            return Err(fault_of(key, None, format!("expected a file, because of {needed_by}")));
        };
        let fault = |problem| fault_of(key, Some(path), problem);
        let length = std::fs::metadata(path)
            .map_err(|error| fault(format!("it cannot be read: {error}")))?
            .len();
        if length > FILE_BYTES_MAX {
            return Err(fault("it is too large for a certificate or a key".to_owned()));
        }
        let text = std::fs::read(path).map_err(|error| fault(format!("it cannot be read: {error}")))?;
        parse(&text).map_err(fault)
    }

    fn fault_of(key: &'static str, path: Option<&Path>, problem: String) -> Fault {
        Fault {
            key,
            value: path.map(|path| format!("{:?}", path.display().to_string())),
            problem,
        }
    }

    pub(super) fn doubts(config: &Config) -> Vec<String> {
        let mut doubts: Vec<String> = expiry_warning(config).into_iter().collect();
        let chain = chain(config).unwrap_or_default();
        let parsed: Vec<_> = chain
            .iter()
            .filter_map(|der| X509Certificate::from_der(der).ok())
            .collect();
        for (index, pair) in parsed.windows(2).enumerate() {
            if pair[0].1.issuer() != pair[1].1.subject() {
                doubts.push(format!(
                    "{CERTIFICATE}: certificate {} is signed by \"{}\", but \"{}\" follows: many clients will refuse \
                     the chain",
                    index + 1,
                    pair[0].1.issuer(),
                    pair[1].1.subject()
                ));
            }
        }
        doubts
    }

    /// A warning from 14 days before the end on.
    pub(super) fn expiry_warning(config: &Config) -> Option<String> {
        if !config.security.transport.tls.enabled {
            return None;
        }
        let (from, until) = validity(config)?;
        let now = now();
        let days = (until - now).div_euclid(DAY_SECS);
        let holds = holds(config)?;
        if from > now {
            return Some(format!("{CERTIFICATE}: the certificate does not hold yet: {holds}"));
        }
        if until < now {
            return Some(format!(
                "{CERTIFICATE}: the certificate has expired, and clients refuse it: {holds}"
            ));
        }
        (days < WARNED_DAYS).then(|| format!("{CERTIFICATE}: the certificate expires soon: {holds}"))
    }

    pub(super) fn holds(config: &Config) -> Option<String> {
        let (from, until) = validity(config)?;
        let days = (until - now()).div_euclid(DAY_SECS);
        Some(format!("from {} until {}, {days} days left", time(from), time(until)))
    }

    pub(super) fn expires(config: &Config) -> Option<SystemTime> {
        let (_, until) = validity(config)?;
        UNIX_EPOCH.checked_add(std::time::Duration::from_secs(u64::try_from(until).ok()?))
    }

    /// When the certificate begins and ends to hold, in seconds since 1970.
    fn validity(config: &Config) -> Option<(i64, i64)> {
        let chain = chain(config)?;
        let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
        let validity = certificate.validity();
        Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
    }

    fn chain(config: &Config) -> Option<Vec<CertificateDer<'static>>> {
        read(
            CERTIFICATE,
            &config.security.transport.tls.certificate_path,
            certificates_of_pem,
        )
        .ok()
    }

    fn now() -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }

    fn time(secs: i64) -> String {
        let secs = u64::try_from(secs).unwrap_or_default();
        // Beyond the year 9999 there is no such form.
        let time = UNIX_EPOCH + std::time::Duration::from_secs(secs.min(253_402_300_799));
        humantime::format_rfc3339_seconds(time).to_string()
    }
}

#[cfg(not(feature = "tls"))]
mod files {
    use super::Fault;
    use crate::Config;
    use signal_fish_core::transport::Acceptor;

    pub(super) fn faults(_: &Config) -> Vec<Fault> {
        Vec::new()
    }

    pub(super) fn doubts(_: &Config) -> Vec<String> {
        Vec::new()
    }

    pub(super) fn expiry_warning(_: &Config) -> Option<String> {
        None
    }

    pub(super) fn holds(_: &Config) -> Option<String> {
        None
    }

    pub(super) fn expires(_: &Config) -> Option<std::time::SystemTime> {
        None
    }

    pub(super) fn load(_: &Config, _: Option<&Acceptor>) -> Result<Acceptor, String> {
        Err("this build has no TLS".to_owned())
    }
}
