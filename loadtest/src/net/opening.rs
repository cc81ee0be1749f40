//! From the connected socket to the WebSocket: the request to upgrade and its answer.

use super::connection::Stage;
use super::{ConnectionId, End, HANDSHAKE_LIMIT, Net};
use crate::time::nanoseconds;

impl Net {
    pub(super) fn on_connected(&mut self, id: ConnectionId) {
        let path = self.connection(id).and_then(|connection| connection.path.as_deref());
        let request = self.target.upgrade_request(path);
        let deadline_ns = self.now_ns + nanoseconds(HANDSHAKE_LIMIT);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        match connection.stream.check_connected() {
            Ok(()) => {
                connection.stage = Stage::Upgrading;
                connection.deadline_ns = deadline_ns;
                connection.unsent = request;
                self.write(id);
            }
            Err(error) => self.end(id, End::Refused(format!("TCP: {error}"))),
        }
    }

    /// Returns what follows the answer if it is a 101.
    pub(super) fn on_upgrade_answer<'a>(&mut self, id: ConnectionId, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        let connection = self.connection_mut(id)?;
        let Some(head) = head else {
            if bytes.len() > 64 << 10 {
                self.end(id, End::Refused("the answer is no HTTP".to_owned()));
            } else {
                connection.partial.extend_from_slice(bytes);
            }
            return None;
        };
        if bytes.starts_with(b"HTTP/1.1 101") {
            connection.stage = Stage::Open;
            return Some(&bytes[head + 4..]);
        }
        let status = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let body = String::from_utf8_lossy(&bytes[head + 4..]);
        let body: String = body.trim().chars().take(120).collect();
        self.end(
            id,
            End::Refused(format!("{} {body}", String::from_utf8_lossy(status)).trim().to_owned()),
        );
        None
    }
}
