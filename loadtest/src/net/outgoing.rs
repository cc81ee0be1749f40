//! What goes to servers: frames are queued, and leave with one send per connection and turn.

use super::connection::Stage;
use super::{ConnectionId, End, Net};
use crate::frame::Masks;
use rustix::io::Errno;

/// Bytes that may wait for a server that does not read; over it the connection is given up.
const UNSENT_BYTES_MAX: usize = 16 << 20;

impl Net {
    /// Sends what is queued on every connection.
    pub fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            if let Some(connection) = self.connection_mut(id) {
                connection.dirty = false;
                if !connection.blocked {
                    self.write(id);
                }
            }
        }
        self.dirty = dirty;
    }

    pub(super) fn send(&mut self, id: ConnectionId, encode: impl FnOnce(&mut Masks, &mut Vec<u8>)) {
        let Some(connection) = self
            .slots
            .get_mut(id.index as usize)
            .filter(|slot| slot.generation == id.generation)
            .and_then(|slot| slot.connection.as_deref_mut())
        else {
            return;
        };
        if connection.stage != Stage::Open {
            return;
        }
        encode(&mut self.masks, &mut connection.unsent);
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(id);
        }
    }

    pub(super) fn write(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let unsent = match &mut connection.tls {
            Some(tls) => {
                tls.session.seal(&mut connection.unsent, &mut tls.sealed);
                &mut tls.sealed
            }
            None => &mut connection.unsent,
        };
        if unsent.is_empty() {
            return;
        }
        match connection.stream.send(unsent) {
            Ok(sent) if sent == unsent.len() => unsent.clear(),
            Ok(sent) => {
                unsent.drain(..sent);
                connection.blocked = true;
            }
            Err(Errno::AGAIN) => connection.blocked = true,
            Err(error) => {
                // What the server said before it went may still be there to read; reading finds the end.
                unsent.clear();
                if connection.stage == Stage::Connecting {
                    self.end(id, End::Dropped(error.to_string()));
                }
                return;
            }
        }
        let waiting = unsent.len();
        if waiting > UNSENT_BYTES_MAX {
            self.end(
                id,
                End::Broken(format!("the server does not read: {waiting} bytes wait for it")),
            );
        }
    }
}
