//! Token binding: a client signs every message, and what it did not sign is not handled (protocol 2.10).
//!
//! Version 1 signs with the key of the handshake, so whoever repeats a message repeats its proof. Version 2 signs with a key
//! that the server's nonce went into, and numbers the messages.

mod canonical;
mod check;
mod proof;
#[cfg(test)]
mod tests;

use super::wire::ErrorCode;
use crate::http::{self, BindingVersion};
use data_encoding::BASE64;
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;

/// Bytes of the nonce of version 2.
const NONCE_BYTES: usize = 32;
/// The first message of version 2 has this number.
const FIRST_SEQUENCE: u64 = 1;
/// Numbers up to here are the same in every JSON parser.
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;
const SCHEME_ONE: &str = "sec_websocket_key_sha256";
const SCHEME_TWO: &str = "server_nonce_hkdf_sha256";
const SESSION_KEY_INFO: &[u8] = b"signalfish.tokenbinding.v2/session-key";
const JSON_DOMAIN: &[u8] = b"signalfish.tokenbinding.v2\0json\0";
const BINARY_DOMAIN: &[u8] = b"signalfish.tokenbinding.v2\0binary\0";

/// How the messages of one session are signed.
pub(super) struct Binding {
    keys: Keys,
    /// What every proof has to name, if a fingerprint is required.
    fingerprint: Option<Box<str>>,
}

enum Keys {
    One([u8; 16]),
    Two {
        key: [u8; 32],
        /// The number that the next message has.
        next: u64,
    },
}

/// Why a message is not handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) text: &'static str,
    pub(super) code: ErrorCode,
    /// The connection is closed.
    pub(super) closes: bool,
}

impl Binding {
    /// What was agreed on with the upgrade. Version 2 takes a nonce, and the client is told it in the text that is
    /// returned, before everything else.
    pub(super) fn new(agreed: &http::Binding, draw: impl FnOnce(&mut [u8; NONCE_BYTES])) -> (Self, Option<String>) {
        let (keys, challenge) = match agreed.version {
            BindingVersion::One => (Keys::One(agreed.key), None),
            BindingVersion::Two => {
                let mut nonce = [0; NONCE_BYTES];
                draw(&mut nonce);
                let key = session_key(&agreed.key, &nonce);
                let next = FIRST_SEQUENCE;
                (Keys::Two { key, next }, Some(challenge(&nonce)))
            }
        };
        let fingerprint = agreed.fingerprint.clone();
        (Self { keys, fingerprint }, challenge)
    }
}

fn session_key(handshake_key: &[u8; 16], nonce: &[u8; NONCE_BYTES]) -> [u8; 32] {
    let mut key = [0; 32];
    let expanded = Hkdf::<Sha256>::new(Some(nonce), handshake_key).expand(SESSION_KEY_INFO, &mut key);
    debug_assert!(expanded.is_ok(), "32 bytes are one block");
    key
}

/// `TokenBindingChallenge`. The official client refuses further members.
fn challenge(nonce: &[u8; NONCE_BYTES]) -> String {
    let nonce = BASE64.encode(nonce);
    format!(
        r#"{{"type":"TokenBindingChallenge","data":{{"version":2,"scheme":"{SCHEME_TWO}","nonce":"{nonce}","first_sequence":{FIRST_SEQUENCE}}}}}"#
    )
}

/// The keys stay out of debug output.
impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding").finish_non_exhaustive()
    }
}
