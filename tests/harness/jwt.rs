//! An issuer of tokens: keys of every kind, what they sign, and their public halves as a JSON Web Key Set.

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use ring::{hmac, pkcs8};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Two RSA keys, because ring makes none.
const RSA: [&[u8]; 2] = [include_bytes!("keys/rsa-one.pk8"), include_bytes!("keys/rsa-two.pk8")];

/// A key, private half included.
pub enum Key {
    /// RSA of 2,048 bits.
    Rsa(RsaKeyPair),
    /// On P-256 or P-384.
    Ec(EcdsaKeyPair),
    /// Ed25519.
    Ed(Ed25519KeyPair),
    /// A shared secret.
    Secret(Vec<u8>),
}

impl Key {
    /// The first or second RSA key.
    #[must_use]
    pub fn rsa(number: usize) -> Self {
        Self::Rsa(RsaKeyPair::from_pkcs8(RSA[number]).expect("a key"))
    }

    /// A new key on P-256.
    #[must_use]
    pub fn p256() -> Self {
        Self::ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    /// A new key on P-384.
    #[must_use]
    pub fn p384() -> Self {
        Self::ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    fn ec(algorithm: &'static signature::EcdsaSigningAlgorithm) -> Self {
        let random = SystemRandom::new();
        let made: pkcs8::Document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        Self::Ec(EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).expect("a key"))
    }

    /// A new Ed25519 key.
    #[must_use]
    pub fn ed25519() -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::Ed(Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key"))
    }

    /// A shared secret.
    #[must_use]
    pub fn secret(secret: &str) -> Self {
        Self::Secret(secret.as_bytes().to_vec())
    }

    /// A token with these claims, under a name if the key has one.
    #[must_use]
    pub fn token(&self, algorithm: &str, kid: Option<&str>, claims: &Value) -> String {
        let mut header = json!({"typ": "JWT", "alg": algorithm});
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        forge(&header, claims, |message| self.sign(algorithm, message))
    }

    /// The signature of a message.
    #[must_use]
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let padding: &dyn signature::RsaEncoding = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    other => panic!("{other} is not for RSA"),
                };
                let mut signed = vec![0; key.public().modulus_len()];
                key.sign(padding, &random, message, &mut signed).expect("signed");
                signed
            }
            Self::Ec(key) => key.sign(&random, message).expect("signed").as_ref().to_vec(),
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
            Self::Secret(secret) => {
                let kind = match algorithm {
                    "HS256" => hmac::HMAC_SHA256,
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    other => panic!("{other} is not for secrets"),
                };
                hmac::sign(&hmac::Key::new(kind, secret), message).as_ref().to_vec()
            }
        }
    }

    /// The public half as it stands in a key set.
    #[must_use]
    pub fn jwk(&self, kid: Option<&str>, algorithm: Option<&str>) -> Value {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let mut jwk = match self {
            Self::Rsa(key) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "use": "sig", "n": encode(&public.n), "e": encode(&public.e)})
            }
            Self::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(key.public_key().as_ref().len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Self::Ed(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())}),
            Self::Secret(secret) => json!({"kty": "oct", "k": encode(secret)}),
        };
        if let Some(kid) = kid {
            jwk["kid"] = json!(kid);
        }
        if let Some(algorithm) = algorithm {
            jwk["alg"] = json!(algorithm);
        }
        jwk
    }

    /// The public half in DER, as it would stand in a PEM file.
    #[must_use]
    pub fn public_der(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.public().as_ref().to_vec(),
            Self::Ec(key) => key.public_key().as_ref().to_vec(),
            Self::Ed(key) => key.public_key().as_ref().to_vec(),
            Self::Secret(_) => panic!("a secret has no public half"),
        }
    }
}

/// A token of any header and signature.
#[must_use]
pub fn forge(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = BASE64URL_NOPAD.encode(&sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// A key set.
#[must_use]
pub fn set(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}

/// Seconds since 1970, so many from now.
#[must_use]
pub fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("before the sun ends") + seconds
}

/// Claims for these rooms that hold for an hour.
#[must_use]
pub fn claims(rooms: Value) -> Value {
    json!({"exp": in_seconds(3600), "rooms": rooms})
}
