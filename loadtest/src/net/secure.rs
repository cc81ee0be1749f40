//! What comes from servers with TLS.

use super::connection::Stage;
use super::{ConnectionId, End, Handler, Net};
use rustix::io::Errno;

/// Ciphertext received at once.
const CIPHERTEXT_BYTES: usize = 64 << 10;

impl Net {
    /// As [`Net::read`], through TLS.
    pub(super) fn read_secure<H: Handler + ?Sized>(&mut self, handlers: &mut [Box<H>], id: ConnectionId, ended: bool) {
        let (mut ciphertext, mut plaintext) = std::mem::take(&mut self.opened);
        ciphertext.resize(CIPHERTEXT_BYTES, 0);
        while let Some(connection) = self.connection_mut(id) {
            let Some(tls) = &mut connection.tls else { break };
            match connection.stream.receive(&mut ciphertext) {
                Ok(0) => self.end(
                    id,
                    End::Dropped("the server ended the connection without a close frame".to_owned()),
                ),
                Ok(read) => {
                    plaintext.clear();
                    plaintext.append(&mut connection.partial);
                    let held = plaintext.len();
                    let opened = tls.session.open(&ciphertext[..read], &mut plaintext);
                    let is_new = plaintext.len() > held;
                    if !is_new {
                        connection.partial.append(&mut plaintext);
                    }
                    // The next step of the handshake, or an alert.
                    if tls.session.has_output() && !connection.blocked {
                        self.write(id);
                    }
                    self.read_clock();
                    if is_new {
                        self.on_bytes(handlers, id, &plaintext);
                    }
                    if let (Err(reason), Some(connection)) = (opened, self.connection(id)) {
                        let end = match connection.stage {
                            Stage::Connecting | Stage::Upgrading => End::Refused(reason),
                            Stage::Open | Stage::Closing => End::Broken(reason),
                        };
                        self.end(id, end);
                    }
                    if read < ciphertext.len() && !ended {
                        break;
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(error) => self.end(id, End::Dropped(error.to_string())),
            }
        }
        self.opened = (ciphertext, plaintext);
    }
}
