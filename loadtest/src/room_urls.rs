//! Rooms that URLs name: those of matchbox and of the room relay.

use crate::plan::{Load, Plan};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a token holds, in seconds: longer than any run.
const TOKEN_SECS: u64 = 86_400;

/// Names the rooms of one thread.
#[derive(Debug, Clone)]
pub struct RoomUrls {
    load: Load,
    run: u32,
    first_room: usize,
    next: usize,
    secret: Option<String>,
}

impl RoomUrls {
    /// For the rooms from number `first_room` on. Another run has other ones.
    #[must_use]
    pub fn new(plan: &Plan, run: u32, first_room: usize) -> Self {
        Self {
            load: plan.load,
            run,
            first_room,
            next: plan.next,
            secret: plan.token_secret.clone(),
        }
    }

    /// Path and query of a room.
    #[must_use]
    pub fn path(&self, room: usize) -> Box<str> {
        let name = format!("load-{:x}-{}", self.run, self.first_room + room);
        let path = match (self.load, &self.secret) {
            (Load::Matchbox, _) if self.next > 0 => format!("/{name}?next={}", self.next),
            (Load::Matchbox, _) => format!("/{name}"),
            (_, None) => format!("/?roomId={name}"),
            (_, Some(secret)) => format!("/?roomId={name}&token={}", token(secret, &name)),
        };
        path.into()
    }
}

/// A token for a room, signed with HS256.
fn token(secret: &str, room: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let claims = serde_json::json!({"exp": now.as_secs() + TOKEN_SECS, "rooms": room});
    let header = BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let message = format!("{header}.{}", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
    // A key may have any length.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return message;
    };
    let signature = mac.chain_update(&message).finalize().into_bytes();
    format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
}
