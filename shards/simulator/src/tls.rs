//! TLS of simulated clients and of the listener that they connect to.
//!
//! What is inside of the records is random, as it has to be. Everything that could change a schedule is not: the key is of a
//! kind whose signatures always have the same length, and no session is resumed.

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SerialNumber};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion, crypto,
    version,
};
use signal_fish_core::transport::time_provider::DefaultTimeProvider;
use signal_fish_core::transport::{Acceptor, ClientAuth, Identity};
use std::fmt;
use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

/// A version that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tls12, Self::Tls13];

    fn supported(self) -> &'static SupportedProtocolVersion {
        match self {
            Self::Tls12 => &version::TLS12,
            Self::Tls13 => &version::TLS13,
        }
    }
}

/// What the listener with TLS accepts connections with, without and with a question for certificates of clients.
///
/// # Panics
/// If the libraries cannot make a certificate.
#[must_use]
pub fn acceptor(asks: bool) -> Acceptor {
    static ACCEPTORS: LazyLock<[Acceptor; 2]> = LazyLock::new(|| [false, true].map(make_acceptor));
    ACCEPTORS[usize::from(asks)].clone()
}

fn make_acceptor(asks: bool) -> Acceptor {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.serial_number = Some(SerialNumber::from(1_u64));
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let identity = Identity {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        client_auth: if asks {
            ClientAuth::Optional(vec![certificate.der().clone()])
        } else {
            ClientAuth::None
        },
    };
    // Nothing that is checked holds for a time: no client shows a certificate.
    Acceptor::new(identity, Arc::new(DefaultTimeProvider), None).expect("an acceptor")
}

/// The TLS of a client.
pub struct ClientTls {
    session: ClientConnection,
    /// Whether it announces its end.
    says_goodbye: bool,
    said_goodbye: bool,
    /// The server's end was announced.
    heard_goodbye: bool,
}

impl ClientTls {
    /// A client that is about to shake hands. `says_goodbye`: it announces its end.
    ///
    /// # Panics
    /// If the library cannot make one.
    #[must_use]
    pub fn new(version: Version, says_goodbye: bool) -> Self {
        static CONFIGS: LazyLock<[Arc<ClientConfig>; 2]> = LazyLock::new(|| Version::ALL.map(config));
        let config = match version {
            Version::Tls12 => &CONFIGS[0],
            Version::Tls13 => &CONFIGS[1],
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let mut session = ClientConnection::new(Arc::clone(config), name).expect("a client");
        // What is said before the handshake is over waits in it.
        session.set_buffer_limit(None);
        Self {
            session,
            says_goodbye,
            said_goodbye: false,
            heard_goodbye: false,
        }
    }

    /// Whether it has something to send by itself.
    pub(crate) fn has_output(&self) -> bool {
        self.session.wants_write()
    }

    /// What goes over the wire for these bytes, and whether the client ends behind it. It ends when everything was said, which
    /// cannot be before the handshake is over.
    ///
    /// # Panics
    /// Never, as long as memory is left.
    pub fn seal(&mut self, plaintext: &[u8], finishes: bool) -> (Vec<u8>, bool) {
        self.session.writer().write_all(plaintext).expect("there is no limit");
        let finishes = finishes && !self.session.is_handshaking();
        if finishes && self.says_goodbye && !self.said_goodbye {
            self.said_goodbye = true;
            self.session.send_close_notify();
        }
        let mut out = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut out).expect("a vector takes everything");
        }
        (out, finishes)
    }

    /// What the server said.
    ///
    /// # Panics
    /// If the server breaks TLS, or says something behind its end.
    pub fn open(&mut self, mut ciphertext: &[u8]) -> Vec<u8> {
        let mut plaintext = Vec::new();
        while !ciphertext.is_empty() {
            assert!(!self.heard_goodbye, "nothing follows close_notify");
            self.session.read_tls(&mut ciphertext).expect("a slice");
            let state = self.session.process_new_packets().expect("the server speaks TLS");
            self.heard_goodbye = state.peer_has_closed();
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = self.session.reader().read(&mut part) {
                plaintext.extend_from_slice(&part[..count]);
            }
        }
        plaintext
    }
}

fn config(version: Version) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(&[version.supported()])
        .expect("a version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// Believes every server: which certificates are good is no question of schedules.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}
