//! Who the server is, and what it demands of clients: certificates and keys become what sessions are made from.

use super::client_certificates::ShortChains;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig, ServerConnection, SignatureAlgorithm};
use rustls::{crypto, version};
use std::fmt;
use std::sync::Arc;

/// The one protocol that may be negotiated (T2).
const ALPN: &[u8] = b"http/1.1";

/// What a full handshake costs a core, in microseconds: with ECDSA or Ed25519, and with RSA of 2,048 bits (T5).
const COSTS: (u32, u32) = (150, 900);

/// What the end of a handshake costs, in microseconds: without client certificates, and with them.
const FINISH_COSTS: (u32, u32) = (30, 300);

/// Who the server is, and whom it serves.
#[derive(Debug)]
pub struct Identity {
    /// Certificate chain, the server's own first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
    /// What clients have to show.
    pub client_auth: ClientAuth,
}

/// `security.transport.tls.client_auth`, with the authorities that sign client certificates.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// Nothing is asked for.
    None,
    /// A certificate is asked for; one that is shown must be valid.
    Optional(Vec<CertificateDer<'static>>),
    /// Nobody without a valid certificate gets in.
    Require(Vec<CertificateDer<'static>>),
}

/// What a listener makes sessions from. All shards share it; an established session needs nothing of it.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    cost: u32,
    client_auth: bool,
}

/// Why an identity cannot be used.
#[derive(Debug)]
pub enum TlsFault {
    /// The certificate or its chain.
    Certificate(String),
    /// The private key.
    Key(String),
    /// The authorities that sign client certificates.
    ClientAuthorities(String),
}

/// The certificates in a PEM text, in order.
///
/// # Errors
/// There is none, or one of them is damaged.
pub fn certificates_of_pem(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("there is no certificate in it".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("it is no PEM: {error}")),
    }
}

/// The private key in a PEM text: PKCS #8, PKCS #1 or SEC 1.
///
/// # Errors
/// There is none, or it is damaged.
pub fn key_of_pem(text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => "there is no private key in it (an encrypted one cannot be used)".to_owned(),
        error => format!("it is no PEM: {error}"),
    })
}

impl Acceptor {
    /// `time` tells whether certificates of clients are valid. `before` is what was used until now: clients may resume
    /// sessions of it, if no certificates were or are asked for. A ticket would let in whom the authorities of today would
    /// refuse (T6).
    ///
    /// # Errors
    /// A [`TlsFault`].
    pub fn new(identity: Identity, time: Arc<dyn TimeProvider>, before: Option<&Self>) -> Result<Self, TlsFault> {
        let Identity {
            chain,
            key,
            client_auth,
        } = identity;
        let provider = Arc::new(crypto::ring::default_provider());
        let cost = match provider.key_provider.load_private_key(key.clone_key()) {
            Ok(key) if key.algorithm() == SignatureAlgorithm::RSA => COSTS.1,
            Ok(_) => COSTS.0,
            Err(error) => return Err(TlsFault::Key(error.to_string())),
        };
        let asks = !matches!(client_auth, ClientAuth::None);
        let builder = ServerConfig::builder_with_details(Arc::clone(&provider), time)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| TlsFault::Certificate(error.to_string()))?;
        let builder = match client_auth {
            ClientAuth::None => builder.with_no_client_auth(),
            ClientAuth::Optional(authorities) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots(authorities)?, provider);
                builder.with_client_cert_verifier(short_chains(verifier.allow_unauthenticated())?)
            }
            ClientAuth::Require(authorities) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots(authorities)?, provider);
                builder.with_client_cert_verifier(short_chains(verifier)?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsFault::Key("it does not belong to the certificate".to_owned())
            }
            error => TlsFault::Certificate(error.to_string()),
        })?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.max_early_data_size = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if asks {
            // The ticketer that a configuration begins with makes none and knows none.
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = ticketer(before)?;
            config.send_tls13_tickets = 1;
        }
        Ok(Self {
            config: Arc::new(config),
            cost,
            client_auth: asks,
        })
    }

    /// What a full handshake costs a core, in microseconds, as it was measured.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// What the end of one costs. With client certificates a chain is checked.
    #[must_use]
    pub fn finish_cost(&self) -> u32 {
        if self.client_auth {
            FINISH_COSTS.1
        } else {
            FINISH_COSTS.0
        }
    }

    pub(super) fn session(&self) -> Option<ServerConnection> {
        ServerConnection::new(Arc::clone(&self.config)).ok()
    }
}

/// The ticketer of before, or a new one.
fn ticketer(before: Option<&Acceptor>) -> Result<Arc<dyn ProducesTickets>, TlsFault> {
    match before.filter(|before| !before.client_auth) {
        Some(before) => Ok(Arc::clone(&before.config.ticketer)),
        None => crypto::ring::Ticketer::new().map_err(|error| TlsFault::Key(error.to_string())),
    }
}

fn roots(authorities: Vec<CertificateDer<'static>>) -> Result<Arc<RootCertStore>, TlsFault> {
    let mut roots = RootCertStore::empty();
    for (index, authority) in authorities.into_iter().enumerate() {
        roots.add(authority).map_err(|error| {
            TlsFault::ClientAuthorities(format!("certificate {} is not usable: {error}", index + 1))
        })?;
    }
    Ok(Arc::new(roots))
}

fn short_chains(verifier: rustls::server::ClientCertVerifierBuilder) -> Result<Arc<ShortChains>, TlsFault> {
    let verifier = verifier
        .build()
        .map_err(|error| TlsFault::ClientAuthorities(error.to_string()))?;
    Ok(Arc::new(ShortChains(verifier)))
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(text) => write!(f, "the certificate cannot be used: {text}"),
            Self::Key(text) => write!(f, "the private key cannot be used: {text}"),
            Self::ClientAuthorities(text) => write!(f, "the authorities of clients cannot be used: {text}"),
        }
    }
}

impl std::error::Error for TlsFault {}

/// Keys stay out of debug output.
impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}
