//! The signatures of tokens, verified by ring. jsonwebtoken asks for them here.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::hmac;
use ring::signature as public;

/// It only verifies: this server signs no tokens.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        if algorithm.family() != key.family() {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        Ok(Box::new(OfRing {
            algorithm: *algorithm,
            key: key.clone(),
        }))
    },
    // For making key sets and thumbprints, which nobody does here.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring verify the tokens of this process. A program around this server may have chosen something else before.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

/// A key with the one algorithm of the token.
struct OfRing {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for OfRing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for OfRing {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.holds(message, signature).ok_or_else(signature::Error::new)
    }
}

impl OfRing {
    fn holds(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                // Some sets write a zero in front, which ring takes for a fault.
                let n = n.get(n.iter().position(|byte| *byte != 0)?..)?;
                let key = public::RsaPublicKeyComponents { n, e };
                key.verify(rsa(self.algorithm)?, message, signature).ok()
            }
            DecodingKeyKind::SecretOrDer(key) if self.key.family() == AlgorithmFamily::Hmac => {
                // In constant time.
                hmac::verify(&hmac::Key::new(mac(self.algorithm)?, key), message, signature).ok()
            }
            DecodingKeyKind::SecretOrDer(key) => public::UnparsedPublicKey::new(curve(self.algorithm)?, key)
                .verify(message, signature)
                .ok(),
        }
    }
}

fn mac(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    Some(match algorithm {
        Algorithm::HS256 => hmac::HMAC_SHA256,
        Algorithm::HS384 => hmac::HMAC_SHA384,
        Algorithm::HS512 => hmac::HMAC_SHA512,
        _ => return None,
    })
}

fn rsa(algorithm: Algorithm) -> Option<&'static public::RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &public::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &public::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &public::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &public::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &public::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &public::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn curve(algorithm: Algorithm) -> Option<&'static dyn public::VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::ES256 => &public::ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &public::ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDSA => &public::ED25519,
        _ => return None,
    })
}
