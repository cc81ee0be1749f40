//! Who may ask the desk for what.

use crate::Config;
use crate::directory::FoundIds;
use signal_fish_core::admission::AppIndex;
use signal_fish_core::protocol::signal_fish::App;
use std::fmt;
use std::time::SystemTime;
use subtle::{Choice, ConstantTimeEq};

/// The locks of the desk.
#[derive(Debug)]
pub(crate) struct Locks {
    /// To the metrics.
    pub(super) metrics: Lock,
    /// To administration.
    pub(super) admin: Lock,
    /// Ids of the listed apps, by [`AppIndex`].
    apps: Vec<String>,
    /// Those that a directory has found.
    found: FoundIds,
    /// When the certificate of the server expires, if it has one.
    certificate_expires: Option<SystemTime>,
}

/// What has to be shown to one of them.
#[derive(Clone)]
pub(super) enum Lock {
    /// Nothing.
    Open,
    /// One of these tokens, as `Authorization: Bearer TOKEN`. None opens it if there is none.
    Locked(Vec<String>),
}

impl Locks {
    /// As configured, with all apps that the server knows.
    pub(crate) fn new(config: &Config, apps: &[App], found: FoundIds) -> Self {
        let security = &config.security;
        let metrics = if security.require_metrics_auth {
            let of_apps = security.authorized_apps.iter().filter_map(|app| {
                let secret = app.app_secret.as_ref()?;
                Some(format!("{}:{secret}", app.app_id))
            });
            Lock::Locked(of_apps.chain((*security.metrics_auth_token).clone()).collect())
        } else {
            Lock::Open
        };
        let admin = Lock::Locked((*security.admin_token).clone().into_iter().collect());
        let apps = apps.iter().map(|app| app.app_id.clone()).collect();
        Self {
            metrics,
            admin,
            apps,
            found,
            certificate_expires: crate::tls::expires(config),
        }
    }

    /// Ids that a directory has found, for the locks that come after these.
    pub(crate) fn found(&self) -> FoundIds {
        self.found.clone()
    }

    /// The id of an app.
    pub(super) fn app_id(&self, app: AppIndex) -> Option<String> {
        let listed = || self.apps.get(app.0 as usize).cloned();
        self.found.id(app).or_else(listed)
    }

    /// The app with this id.
    pub(super) fn app(&self, app_id: &str) -> Option<AppIndex> {
        let listed = self.apps.iter().position(|known| known == app_id);
        let listed = listed.and_then(|index| u32::try_from(index).ok()).map(AppIndex);
        listed.or_else(|| self.found.index(app_id))
    }

    /// How long the certificate of the server still holds.
    pub(super) fn certificate_seconds(&self) -> Option<f64> {
        let expires = self.certificate_expires?;
        Some(match expires.duration_since(SystemTime::now()) {
            Ok(left) => left.as_secs_f64(),
            Err(over) => -over.duration().as_secs_f64(),
        })
    }
}

impl Lock {
    /// Whether this header opens it. How long that takes tells nothing about a token but its length.
    pub(super) fn opens_to(&self, authorization: Option<&str>) -> bool {
        let Self::Locked(tokens) = self else { return true };
        let Some(shown) = authorization.and_then(bearer) else {
            return false;
        };
        let found = tokens.iter().fold(Choice::from(0), |found, token| {
            found | token.as_bytes().ct_eq(shown.as_bytes())
        });
        found.into()
    }
}

/// Tokens are never shown.
impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Locked(_) => "Locked",
        })
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens_a_door() {
        let lock = Lock::Locked(vec!["app:secret".to_owned(), "a-token".to_owned()]);
        for shown in ["Bearer app:secret", "Bearer a-token", "bearer a-token"] {
            assert!(lock.opens_to(Some(shown)), "{shown}");
        }
        for shown in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer a-toke",
            "Bearer a-token ",
            "Bearer  a-token",
            "Basic a-token",
            "a-token",
            "Bearer A-TOKEN",
            "Bearer app:",
            "Bearer :secret",
        ] {
            assert!(!lock.opens_to(Some(shown)), "{shown}");
        }
        assert!(!lock.opens_to(None) && !Lock::Locked(Vec::new()).opens_to(Some("Bearer ")));
        assert!(Lock::Open.opens_to(None));
        assert_eq!(format!("{lock:?}"), "Locked");
    }
}
