//! Connections to a server under test, plain or through TLS.
//!
//! With `SIGNAL_FISH_TLS` set to a version (`1.2` or `1.3`) every server that the harness starts has TLS, and every client of
//! the harness speaks it. So whole files of tests run once more over `wss://`.

use super::certificates::Files;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned, version};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// TLS of a whole run.
struct Everywhere {
    files: Files,
    client: Arc<ClientConfig>,
    /// Servers that have TLS because of this.
    servers: Mutex<HashSet<SocketAddr>>,
}

static EVERYWHERE: LazyLock<Option<Everywhere>> = LazyLock::new(|| {
    let version = match std::env::var("SIGNAL_FISH_TLS").ok()?.as_str() {
        "1.2" => &version::TLS12,
        "1.3" => &version::TLS13,
        other => panic!("SIGNAL_FISH_TLS is 1.2 or 1.3, not {other}"),
    };
    let files = Files::new();
    let client = files.client(version, None);
    Some(Everywhere {
        files,
        client,
        servers: Mutex::default(),
    })
});

/// What is merged over the configuration of every server: TLS, if everything is to have it.
#[must_use]
pub fn tls_of_the_run() -> Value {
    EVERYWHERE
        .as_ref()
        .map_or_else(|| json!({}), |everywhere| everywhere.files.config(json!({})))
}

/// A server started with it.
pub fn has_tls_of_the_run(server: SocketAddr) {
    if let Some(everywhere) = &*EVERYWHERE {
        let mut servers = everywhere.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.insert(server);
    }
}

/// What clients need to reach a server, if that is TLS.
#[must_use]
pub fn tls_of(server: SocketAddr) -> Option<Arc<ClientConfig>> {
    let everywhere = EVERYWHERE.as_ref()?;
    let servers = everywhere.servers.lock().unwrap_or_else(PoisonError::into_inner);
    servers.contains(&server).then(|| Arc::clone(&everywhere.client))
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Over a connection to a server that was started by the harness.
    #[must_use]
    pub fn over(stream: TcpStream) -> Self {
        // A connection that the server has reset already has no peer.
        let Some(config) = stream.peer_addr().ok().and_then(tls_of) else {
            return Self::Plain(stream);
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(config, name).expect("a client");
        Self::Tls(Box::new(StreamOwned::new(session, stream)))
    }

    /// The socket.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Says that nothing more comes.
    pub fn half_close(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        let _ = self.tcp().shutdown(Shutdown::Write);
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
