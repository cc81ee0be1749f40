//! TLS of the generator's connections: whom they trust, what they show, and the session of one of them.

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where most distributions keep the public authorities.
const PUBLIC_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The flags of the command line about TLS.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// PEM file with the authorities to trust; without it, those of the system.
    pub authorities: Option<PathBuf>,
    /// PEM files with a certificate to show and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Trust everybody.
    pub insecure: bool,
}

/// What all connections to a server share.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// For the server of this name or address.
    ///
    /// # Errors
    /// A sentence on the file that cannot be used.
    pub(crate) fn new(host: &str, files: &TlsFiles) -> Result<Self, String> {
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|_| format!("`{host}` cannot stand in a certificate"))?;
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if files.insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Everybody(provider)))
        } else {
            builder.with_root_certificates(authorities(files.authorities.as_deref())?)
        };
        let mut config = match &files.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| cannot_use(key, &error))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| cannot_use(certificate, &error))?
            }
        };
        // Every connection stands for another player, who was never here before.
        config.resumption = Resumption::disabled();
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// TLS of one connection, without its socket.
#[derive(Debug)]
pub(crate) struct Session(ClientConnection);

impl Session {
    pub(crate) fn new(tls: &Tls) -> Result<Self, String> {
        let mut session =
            ClientConnection::new(Arc::clone(&tls.config), tls.name.clone()).map_err(|error| error.to_string())?;
        // What waits is bounded where it is sent.
        session.set_buffer_limit(None);
        Ok(Self(session))
    }

    /// Takes all of `plaintext`, and appends to `out` what can be sent of it now: before the end of the handshake nothing.
    pub(crate) fn seal(&mut self, plaintext: &mut Vec<u8>, out: &mut Vec<u8>) {
        // Writing to memory cannot fail, nor is it short without a limit.
        let _ = self.0.writer().write_all(plaintext);
        plaintext.clear();
        while self.0.wants_write() && self.0.write_tls(out).is_ok() {}
    }

    /// Whether there is something to send that no message asked for.
    pub(crate) fn has_output(&self) -> bool {
        self.0.wants_write()
    }

    /// Appends to `out` what `ciphertext` holds.
    ///
    /// # Errors
    /// A sentence on why the server cannot be spoken to.
    pub(crate) fn open(&mut self, mut ciphertext: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        while !ciphertext.is_empty() {
            let taken = self.0.read_tls(&mut ciphertext).map_err(|error| error.to_string())?;
            let state = self.0.process_new_packets().map_err(|error| format!("TLS: {error}"))?;
            let waits = state.plaintext_bytes_to_read();
            let held = out.len();
            out.resize(held + waits, 0);
            let read = match waits {
                0 => Ok(()),
                _ => self.0.reader().read_exact(&mut out[held..]),
            };
            read.map_err(|error| error.to_string())?;
            if taken == 0 {
                // Nothing may follow a close_notify.
                break;
            }
        }
        Ok(())
    }
}

fn authorities(path: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path.unwrap_or(Path::new(PUBLIC_AUTHORITIES)))? {
        let added = roots.add(certificate);
        // Among the system's there may be some that this library does not know how to use.
        if let (Err(error), Some(path)) = (added, path) {
            return Err(cannot_use(path, &error));
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| cannot_use(path, &error))?
        .collect();
    let certificates = certificates.map_err(|error| cannot_use(path, &error))?;
    if certificates.is_empty() {
        return Err(cannot_use(path, &"there is no certificate in it"));
    }
    Ok(certificates)
}

fn cannot_use(path: &Path, why: &dyn fmt::Display) -> String {
    format!("`{}` cannot be used: {why}", path.display())
}

/// Trusts whoever answers.
#[derive(Debug)]
struct Everybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Everybody {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
