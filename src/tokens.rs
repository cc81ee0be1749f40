//! Tokens of the room relay: a thread of its own verifies them, so that no signature keeps a shard or the control plane
//! from its work (protocol 16.5).
//!
//! The algorithm comes from the configuration and the key, never from the token alone: a token that names another one than
//! its key is for is refused, `none` as well. Tokens and secrets are shown nowhere.

use crate::config::RelayAuth;
use crossbeam_channel::{Receiver, Sender, bounded};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use signal_fish_core::admission::{Refusal, Token, Verdict};
use signal_fish_core::{ShardIndex, Slot};
use signal_fish_runtime::{Mail, Mailbox};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::{fmt, io};

/// Seconds by which clocks may differ (R16).
const LEEWAY_SECS: u64 = 30;
const HS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// A token to be verified, and who waits for the verdict.
pub(crate) struct Question {
    pub(crate) shard: ShardIndex,
    pub(crate) slot: Slot,
    pub(crate) token: Token,
    pub(crate) room: Box<str>,
}

/// The way to the thread that verifies. The thread ends with it.
pub(crate) struct Verifier {
    questions: Sender<Question>,
    thread: JoinHandle<()>,
}

/// What tokens are held against.
pub(crate) struct Rules {
    keys: Vec<Key>,
    issuer: Option<String>,
    audience: Option<String>,
    rooms_claim: String,
}

/// A key with the algorithms that it is for.
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl Verifier {
    /// Starts the thread. At most `questions_max` questions wait; one connection has one.
    ///
    /// # Errors
    /// When there is no thread.
    pub(crate) fn start(rules: Rules, mailboxes: Arc<[Mailbox]>, questions_max: usize) -> io::Result<Self> {
        let (questions, asked) = bounded(questions_max);
        let thread = std::thread::Builder::new()
            .name("tokens".to_owned())
            .spawn(move || answer(&rules, &mailboxes, &asked))?;
        Ok(Self { questions, thread })
    }

    /// Asks; the verdict goes to the mailbox of the shard. Returns whether the question was taken.
    pub(crate) fn ask(&self, question: Question) -> bool {
        self.questions.try_send(question).is_ok()
    }

    /// Ends the thread behind what is asked.
    pub(crate) fn stop(self) {
        drop(self.questions);
        // A panic has ended the process.
        let _ = self.thread.join();
    }
}

fn answer(rules: &Rules, mailboxes: &[Mailbox], asked: &Receiver<Question>) {
    for Question {
        shard,
        slot,
        token,
        room,
    } in asked
    {
        let verdict = match rules.verify(token.reveal(), &room) {
            Ok(()) => Verdict::Admitted,
            Err(refusal) => Verdict::Refused(refusal),
        };
        if let Some(mailbox) = mailboxes.get(usize::from(shard.0)) {
            // Its capacity is one piece per connection, so only a shard that has ended takes no verdict.
            let _ = mailbox.try_send(Mail::Verdict { slot, verdict });
        }
    }
}

impl Rules {
    /// From the configuration, whose checks have passed.
    ///
    /// # Errors
    /// Why the keys cannot be used.
    pub(crate) fn new(auth: &RelayAuth) -> Result<Self, String> {
        let keys = match (auth.secret.reveal(), &auth.jwks_file) {
            (Some(secret), _) => vec![Key {
                id: None,
                algorithms: HS.to_vec(),
                key: DecodingKey::from_secret(secret.as_bytes()),
            }],
            (None, Some(file)) => {
                let text = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
                key_set(&text).map_err(|problem| format!("{file}: {problem}"))?
            }
            (None, None) => return Err("there is neither a secret nor a set of keys".to_owned()),
        };
        Ok(Self {
            keys,
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            rooms_claim: auth.rooms_claim.clone(),
        })
    }

    /// Whether a token is good, and good for this room.
    fn verify(&self, token: &str, room: &str) -> Result<(), Refusal> {
        let claims = self.claims(token).ok_or(Refusal::Token)?;
        let allowed = match claims.get(&self.rooms_claim) {
            Some(Value::String(entry)) => allows(entry, room),
            Some(Value::Array(entries)) => {
                entries.iter().all(Value::is_string)
                    && entries.iter().filter_map(Value::as_str).any(|entry| allows(entry, room))
            }
            _ => false,
        };
        if allowed { Ok(()) } else { Err(Refusal::RoomClaim) }
    }

    fn claims(&self, token: &str) -> Option<Value> {
        let header = decode_header(token).ok()?;
        let mut fits = self.keys.iter().filter(|key| {
            key.algorithms.contains(&header.alg) && (header.kid.is_none() || key.id.is_none() || key.id == header.kid)
        });
        // Without a name a token is taken only if there is no doubt about its key (R17).
        let (key, None) = (fits.next()?, fits.next()) else {
            return None;
        };
        let mut validation = Validation::new(header.alg);
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
        decode::<Value>(token, &key.key, &validation).ok().map(|token| token.claims)
    }
}

/// Whether an entry of the claim allows a room: its id, or a beginning of it with a star behind.
fn allows(entry: &str, room: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(beginning) => room.starts_with(beginning),
        None => entry == room,
    }
}

/// The keys of a JWKS that can verify signatures here. Others are passed over.
fn key_set(text: &[u8]) -> Result<Vec<Key>, String> {
    let set: Value = serde_json::from_slice(text).map_err(|error| format!("is not JSON: {error}"))?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("has no list `keys`")?;
    let keys: Vec<Key> = keys.iter().filter_map(key_of).collect();
    if keys.is_empty() {
        return Err("has no key that verifies RS, PS, ES or EdDSA signatures".to_owned());
    }
    Ok(keys)
}

fn key_of(value: &Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let of_kind: Vec<Algorithm> = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => RSA.to_vec(),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
        // A public set must not hold secrets.
        AlgorithmParameters::OctetKey(_) => return None,
    };
    let algorithms = match jwk.common.key_algorithm {
        Some(named) => of_kind.into_iter().filter(|algorithm| is_named(*algorithm, named)).collect(),
        None => of_kind,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key {
        id: jwk.common.key_id,
        algorithms,
        key,
    })
}

fn is_named(algorithm: Algorithm, named: KeyAlgorithm) -> bool {
    format!("{algorithm:?}") == format!("{named:?}")
}

/// Keys are shown nowhere.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}
