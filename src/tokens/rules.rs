//! What a token must say (R15, R16).

use super::keys::{Chosen, Keys};
use crate::config::RelayAuth;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use signal_fish_core::admission::Refusal;

/// Seconds by which clocks may differ.
const LEEWAY_SECS: u64 = 30;

/// What tokens are held against besides the keys.
#[derive(Debug)]
pub(super) struct Rules {
    issuer: Option<String>,
    audience: Option<String>,
    rooms_claim: String,
}

/// What is known of a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It is good for the room, or why not.
    Decided(Result<(), Refusal>),
    /// No key has the name that it gives.
    UnknownKey,
}

impl Rules {
    pub(super) fn new(auth: &RelayAuth) -> Self {
        Self {
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            rooms_claim: auth.rooms_claim.clone(),
        }
    }

    /// Whether a token is good, and good for this room.
    pub(super) fn judge(&self, keys: &Keys, token: &str, room: &str) -> Judged {
        // `none` is no algorithm of the library, so such a token ends here.
        let Ok(header) = decode_header(token) else {
            return Judged::Decided(Err(Refusal::Token));
        };
        // Nothing that a token may declare critical is understood here (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Judged::Decided(Err(Refusal::Token));
        }
        let key = match keys.choose(&header) {
            Chosen::Key(key) => key,
            Chosen::None => return Judged::Decided(Err(Refusal::Token)),
            Chosen::Unknown => return Judged::UnknownKey,
        };
        let Some(claims) = self.claims(token, header.alg, key) else {
            return Judged::Decided(Err(Refusal::Token));
        };
        let allowed = match claims.get(&self.rooms_claim) {
            Some(Value::String(entry)) => allows(entry, room),
            Some(Value::Array(entries)) => {
                entries.iter().all(Value::is_string)
                    && entries
                        .iter()
                        .filter_map(Value::as_str)
                        .any(|entry| allows(entry, room))
            }
            _ => false,
        };
        Judged::Decided(if allowed { Ok(()) } else { Err(Refusal::RoomClaim) })
    }

    fn claims(&self, token: &str, algorithm: Algorithm, key: &DecodingKey) -> Option<Value> {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_SECS;
        validation.validate_nbf = true;
        validation.validate_aud = self.audience.is_some();
        let mut required = vec!["exp"];
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        decode::<Value>(token, key, &validation).ok().map(|token| token.claims)
    }
}

/// Whether an entry of the claim allows a room: its id, or a beginning of it with a star behind.
fn allows(entry: &str, room: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(beginning) => room.starts_with(beginning),
        None => entry == room,
    }
}
