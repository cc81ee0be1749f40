//! TLS of one connection: rustls' buffered `ServerConnection`, which has no IO. The socket stays outside: ciphertext goes in
//! and out as bytes.

mod client_certificates;
mod identity;
mod stream;

pub use client_certificates::INTERMEDIATES_MAX;
pub use identity::{Acceptor, ClientAuth, Identity, TlsFault, certificates_of_pem, key_of_pem};
pub use stream::{HANDSHAKE_BYTES_MAX, SEALED_BYTES_MAX, Secure};
