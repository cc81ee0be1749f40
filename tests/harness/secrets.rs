//! Nothing that a client wrote, and no secret, may get into a log (D34). Every string that a client of these tests sends or
//! is given, and every secret of a configuration, is remembered; the whole output of every server is searched for them.

use serde_json::Value;
use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Shorter strings may be in a log by chance.
const CHARS_MIN: usize = 8;

/// Fields whose values may be logged: ids that say nothing to those who read them, and words of the protocol. Apps are
/// logged as the configuration spells them. The fingerprint of a certificate names a client to operators; everybody who saw
/// the certificate knows it.
const MAY_BE_LOGGED: [&str; 8] = [
    "type",
    "fingerprint",
    "app_id",
    "player_id",
    "room_id",
    "receiver",
    "game_data_format",
    "preferred_encoding",
];

static SECRETS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

fn remember(text: &str) {
    if text.chars().count() >= CHARS_MIN {
        let mut secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.insert(text.to_owned());
        // As a JSON log would write it.
        let escaped = Value::from(text).to_string();
        secrets.insert(escaped[1..escaped.len() - 1].to_owned());
    }
}

/// A client sent this.
pub fn sent(text: &str) {
    match serde_json::from_str(text) {
        Ok(message) => strings(&message, &mut |name, text| {
            if !MAY_BE_LOGGED.contains(&name) {
                remember(text);
            }
        }),
        Err(_) => remember(text),
    }
}

/// A client was sent this.
pub fn received(text: &str) {
    if let Ok(message) = serde_json::from_str(text) {
        strings(&message, &mut |name, text| {
            if name == "auth_token" {
                remember(text);
            }
        });
    }
}

/// A server was started with this.
pub fn configured(config: &Value) {
    strings(config, &mut |name, text| {
        if name.ends_with("_token") || name.ends_with("_secret") || name == "secret" {
            remember(text);
        }
        if name == "redis_url" {
            remember(text);
            // The password in it.
            if let Some((who, _)) = text.rsplit_once('@') {
                remember(who.rsplit_once(':').map_or(who, |(_, password)| password));
            }
        }
    });
}

/// A client came with this token. Its parts must not be shown either.
pub fn token(token: &str) {
    token.split('.').chain([token]).for_each(remember);
}

/// Every string in a value, with the name of the field that it is in, however deep.
fn strings(value: &Value, found: &mut impl FnMut(&str, &str)) {
    fn walk(name: &str, value: &Value, found: &mut impl FnMut(&str, &str)) {
        match value {
            Value::String(text) => found(name, text),
            Value::Array(items) => items.iter().for_each(|item| walk(name, item, found)),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| walk(name, value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    walk("", value, found);
}

/// The secrets that stand in this output, with the lines they stand in.
#[must_use]
pub fn leaked(output: &str) -> Vec<String> {
    let secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    secrets
        .iter()
        .filter(|secret| output.contains(*secret))
        .map(|secret| {
            let line = output.lines().find(|line| line.contains(secret)).unwrap_or_default();
            format!("{secret:?} in {line}")
        })
        .collect()
}
