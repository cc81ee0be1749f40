//! Certificates for tests, signed by an authority of their own.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a client shows.
pub type Shown = Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>;

/// An authority, and files that it signed.
pub struct Files {
    dir: tempfile::TempDir,
    pub authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    /// Writes `ca.pem`, `server.pem` and `server.key`.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        let files = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            authority,
        };
        files.write("ca.pem", &files.authority.pem());
        files.renew();
        files
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("a file");
    }

    /// Where a file is.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// A certificate for this host and its key, as PEM.
    pub fn leaf(&self) -> (String, String) {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.authority).expect("signed");
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes a new certificate of the server.
    pub fn renew(&self) {
        let (certificate, key) = self.leaf();
        self.write("server.pem", &certificate);
        self.write("server.key", &key);
    }

    /// A certificate and key for a client to show.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let (certificate, key) = self.leaf();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        Some((vec![der(&certificate)], key))
    }

    /// A configuration with TLS, and more of the section.
    pub fn config(&self, more: Value) -> Value {
        let mut tls = json!({
            "enabled": true,
            "certificate_path": self.path("server.pem"),
            "private_key_path": self.path("server.key"),
            "handshakes_per_sec_per_ip": 100_000,
        });
        super::server::merge(&mut tls, more);
        json!({"security": {"transport": {"tls": tls}}})
    }

    /// What a client that trusts the authority connects with.
    #[must_use]
    pub fn client(&self, version: &'static SupportedProtocolVersion, shown: Shown) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).expect("an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots);
        Arc::new(match shown {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).expect("a certificate"),
        })
    }
}

/// A certificate of a PEM text.
#[must_use]
pub fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}
