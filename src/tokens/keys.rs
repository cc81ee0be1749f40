//! The keys that tokens are verified with: a secret, or a set of public keys (R16).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde_json::Value;
use std::fmt;

/// Keys in one set.
const KEYS_MAX: usize = 256;
const HS: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
/// Bytes of the modulus of an RSA key that ring takes: 2,048 to 8,192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// What verifies tokens.
pub(super) enum Keys {
    /// HS256, HS384 and HS512.
    Secret(DecodingKey),
    /// Public keys, each with the algorithms that it is for.
    Set(Vec<Key>),
}

/// A public key.
pub(super) struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Which key a token is to be verified with.
pub(super) enum Chosen<'a> {
    /// This one.
    Key(&'a DecodingKey),
    /// None: the algorithm is not that of a key, or more than one would do.
    None,
    /// There is no key of that name, but one may have come.
    Unknown,
}

impl Keys {
    pub(super) fn secret(secret: &str) -> Self {
        Self::Secret(DecodingKey::from_secret(secret.as_bytes()))
    }

    /// The keys of a JSON Web Key Set that verify signatures here, and how many others there are.
    ///
    /// # Errors
    /// What is wrong with the set.
    pub(super) fn set(text: &[u8]) -> Result<(Self, usize), String> {
        let set: Value = serde_json::from_slice(text).map_err(|_| "it is not JSON".to_owned())?;
        let all = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or("it has no list `keys`")?;
        if all.len() > KEYS_MAX {
            return Err(format!("it has {} keys; at most {KEYS_MAX} are read", all.len()));
        }
        let keys: Vec<Key> = all.iter().filter_map(key_of).collect();
        if keys.is_empty() {
            return Err("it has no key that verifies RS, PS, ES256, ES384 or EdDSA signatures".to_owned());
        }
        let passed_over = all.len() - keys.len();
        Ok((Self::Set(keys), passed_over))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Secret(_) => 1,
            Self::Set(keys) => keys.len(),
        }
    }

    /// The key for a token with this header. The algorithm is one of the key, whatever the token says.
    pub(super) fn choose(&self, header: &Header) -> Chosen<'_> {
        let keys = match self {
            Self::Secret(key) if HS.contains(&header.alg) => return Chosen::Key(key),
            Self::Secret(_) => return Chosen::None,
            Self::Set(_) if HS.contains(&header.alg) => return Chosen::None,
            Self::Set(keys) => keys,
        };
        let named: Vec<&Key> = match &header.kid {
            Some(kid) => keys.iter().filter(|key| key.id.as_ref() == Some(kid)).collect(),
            None => keys.iter().collect(),
        };
        if named.is_empty() {
            return Chosen::Unknown;
        }
        let mut fits = named.into_iter().filter(|key| key.algorithms.contains(&header.alg));
        match (fits.next(), fits.next()) {
            (Some(key), None) => Chosen::Key(&key.key),
            // There must be no doubt about the key (R17).
            _ => Chosen::None,
        }
    }
}

fn key_of(value: &Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    let common = &jwk.common;
    let for_signatures = common
        .public_key_use
        .as_ref()
        .is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let verifies = common
        .key_operations
        .as_ref()
        .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !for_signatures || !verifies {
        return None;
    }
    let of_kind: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => RSA,
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
        // A public set holds no secrets.
        _ => return None,
    };
    let algorithms: Vec<Algorithm> = match common.key_algorithm {
        Some(named) => {
            let named = Algorithm::try_from(named).ok()?;
            of_kind
                .iter()
                .copied()
                .filter(|algorithm| *algorithm == named)
                .collect()
        }
        None => of_kind.to_vec(),
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty() && is_long_enough(&key)).then_some(Key {
        id: jwk.common.key_id,
        algorithms,
        key,
    })
}

fn is_long_enough(key: &DecodingKey) -> bool {
    match key.kind() {
        jsonwebtoken::DecodingKeyKind::RsaModulusExponent { n, .. } => {
            let zeros = n.iter().take_while(|byte| **byte == 0).count();
            RSA_BYTES.contains(&(n.len() - zeros))
        }
        jsonwebtoken::DecodingKeyKind::SecretOrDer(_) => true,
    }
}

/// Keys are shown nowhere.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("count", &self.len())
            .finish_non_exhaustive()
    }
}
