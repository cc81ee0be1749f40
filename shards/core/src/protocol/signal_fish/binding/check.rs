//! The checks, in the order in which they are told: version, scheme, fingerprint, sequence, signature.

use super::super::wire::ErrorCode;
use super::super::wire::message_pack::{TokenBound, token_bound};
use super::canonical::{Canonical, Flaw, Rules, canonical};
use super::proof::{self, ProofOne, ProofTwo};
use super::{BINARY_DOMAIN, Binding, JSON_DOMAIN, Keys, Rejected, SCHEME_ONE, SCHEME_TWO};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const MISSING: Rejected = rejected("Token binding proof missing");
const INVALID_PROOF: Rejected = rejected("Invalid token binding proof");
const VERSION_OR_SEQUENCE: Rejected = rejected("Invalid token binding version or sequence");
const SCHEME: Rejected = rejected("Unsupported token binding scheme");
const FINGERPRINT_REQUIRED: Rejected = rejected("Client fingerprint required");
const FINGERPRINT_MISMATCH: Rejected = rejected("Client fingerprint mismatch");
const SIGNATURE: Rejected = rejected("Invalid token binding signature");
const BINARY: Rejected = rejected("Invalid token-bound binary frame");

const fn rejected(text: &'static str) -> Rejected {
    Rejected {
        text,
        code: ErrorCode::Unauthorized,
        closes: true,
    }
}

impl Binding {
    /// Checks the proof of a text message. Only one that is right uses up its number.
    pub(in super::super) fn check_text(&mut self, text: &str) -> Result<(), Rejected> {
        let rules = match self.keys {
            Keys::One(_) => Rules::One,
            Keys::Two { .. } => Rules::Two,
        };
        let Canonical { text, proof } = canonical(text, rules).map_err(|flaw| match flaw {
            Flaw::Malformed => Rejected {
                text: "Invalid client message",
                code: ErrorCode::InvalidInput,
                closes: false,
            },
            Flaw::NoObject => Rejected {
                text: "Malformed client message",
                code: ErrorCode::InvalidInput,
                closes: true,
            },
        })?;
        let proof = proof.filter(|proof| *proof != "null").ok_or(MISSING)?;
        let expected = self.fingerprint.as_deref();
        match &mut self.keys {
            Keys::One(key) => {
                let proof: ProofOne<'_> = proof::parse(proof).ok_or(INVALID_PROOF)?;
                if proof.scheme != SCHEME_ONE {
                    return Err(SCHEME);
                }
                check_fingerprint(expected, proof.fingerprint.as_deref())?;
                let fingerprint = proof.fingerprint.as_deref().unwrap_or_default();
                check_signature(key, &[&text, fingerprint.as_bytes()], &proof.signature)
            }
            Keys::Two { key, next } => {
                let proof: ProofTwo<'_> = proof::parse(proof).ok_or(INVALID_PROOF)?;
                check_two(key, next, expected, JSON_DOMAIN, &text, &proof)
            }
        }
    }

    /// Checks the proof of a binary message and returns what it is about. Version 1 does not sign binary messages.
    pub(in super::super) fn check_binary<'a>(&mut self, message: &'a [u8]) -> Result<&'a [u8], Rejected> {
        let expected = self.fingerprint.as_deref();
        let Keys::Two { key, next } = &mut self.keys else {
            return Ok(message);
        };
        let bound: TokenBound<'a> = token_bound(message).map_err(|_| BINARY)?;
        let proof = ProofTwo {
            version: bound.version,
            scheme: bound.scheme.into(),
            sequence: bound.sequence,
            signature: bound.signature.into(),
            fingerprint: bound.fingerprint.map(Into::into),
        };
        check_two(key, next, expected, BINARY_DOMAIN, bound.payload, &proof)?;
        Ok(bound.payload)
    }
}

fn check_two(
    key: &[u8; 32],
    next: &mut u64,
    expected: Option<&str>,
    domain: &[u8],
    payload: &[u8],
    proof: &ProofTwo<'_>,
) -> Result<(), Rejected> {
    if proof.version != 2 {
        return Err(VERSION_OR_SEQUENCE);
    }
    if proof.scheme != SCHEME_TWO {
        return Err(SCHEME);
    }
    check_fingerprint(expected, proof.fingerprint.as_deref())?;
    if proof.sequence != *next {
        return Err(VERSION_OR_SEQUENCE);
    }
    let fingerprint = proof.fingerprint.as_deref().unwrap_or_default();
    let parts = [domain, &next.to_be_bytes(), payload, fingerprint.as_bytes()];
    check_signature(key, &parts, &proof.signature)?;
    // A client that counts to the end of 64 bits does not exist; after it every number is wrong.
    *next = next.wrapping_add(1);
    Ok(())
}

/// A fingerprint that is not required is only signed.
fn check_fingerprint(expected: Option<&str>, given: Option<&str>) -> Result<(), Rejected> {
    match (expected, given) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(FINGERPRINT_REQUIRED),
        (Some(expected), Some(given)) if given == expected => Ok(()),
        (Some(_), Some(_)) => Err(FINGERPRINT_MISMATCH),
    }
}

/// Compares in constant time.
fn check_signature(key: &[u8], parts: &[&[u8]], signature: &str) -> Result<(), Rejected> {
    let signature = BASE64.decode(signature.as_bytes()).map_err(|_| SIGNATURE)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SIGNATURE)?;
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(&signature).map_err(|_| SIGNATURE)
}
