//! What comes from servers: bytes, frames, messages.

use super::connection::Stage;
use super::{ConnectionId, End, Event, Handler, Net};
use crate::frame::first_frame;
use rustix::io::Errno;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

impl Net {
    /// Receives until nothing is left, or, if the stream has `ended`, until its end is found.
    pub(super) fn read<H: Handler + ?Sized>(&mut self, handlers: &mut [Box<H>], id: ConnectionId, ended: bool) {
        if self.target.tls.is_some() {
            return self.read_secure(handlers, id, ended);
        }
        let mut buffer = std::mem::take(&mut self.read_buffer);
        while let Some(connection) = self.connection_mut(id) {
            let held = connection.partial.len();
            if buffer.len() < 2 * held {
                buffer.resize(4 * held, 0);
            }
            buffer[..held].copy_from_slice(&connection.partial);
            connection.partial.clear();
            let space = &mut buffer[held..];
            match connection.stream.receive(space) {
                Ok(0) => self.end(
                    id,
                    End::Dropped("the server ended the connection without a close frame".to_owned()),
                ),
                Ok(read) => {
                    self.read_clock();
                    self.on_bytes(handlers, id, &buffer[..held + read]);
                    if held + read < buffer.len() && !ended {
                        break;
                    }
                }
                Err(Errno::AGAIN) => {
                    connection.partial.extend_from_slice(&buffer[..held]);
                    break;
                }
                Err(error) => self.end(id, End::Dropped(error.to_string())),
            }
        }
        self.read_buffer = buffer;
    }

    pub(super) fn on_bytes<H: Handler + ?Sized>(
        &mut self,
        handlers: &mut [Box<H>],
        id: ConnectionId,
        mut bytes: &[u8],
    ) {
        let Some(connection) = self.connection(id) else { return };
        let (owner, tag, stage) = (connection.owner, connection.tag, connection.stage);
        self.owner = owner;
        let handler = handlers[usize::from(owner)].as_mut();
        if stage == Stage::Upgrading {
            match self.on_upgrade_answer(id, bytes) {
                Some(rest) => bytes = rest,
                None => return,
            }
            handler.on_event(self, id, tag, Event::Open);
        }
        loop {
            match first_frame(bytes) {
                Ok(Some(frame)) => {
                    bytes = &bytes[frame.length..];
                    match frame.opcode {
                        OpCode::Data(Data::Text) if frame.is_final => {
                            handler.on_event(self, id, tag, Event::Text(frame.payload));
                        }
                        OpCode::Data(Data::Binary) if frame.is_final => {
                            handler.on_event(self, id, tag, Event::Binary(frame.payload));
                        }
                        OpCode::Data(kind) => self.on_fragment(handler, (id, tag), kind, frame.is_final, frame.payload),
                        OpCode::Control(Control::Ping) => {
                            self.send(id, |masks, unsent| masks.write_pong(frame.payload, unsent));
                        }
                        OpCode::Control(Control::Close) => self.on_close_frame(id, frame.payload),
                        OpCode::Control(_) => {}
                    }
                    if self.connection(id).is_none() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(reason) => return self.end(id, End::Broken(reason)),
            }
        }
        if !bytes.is_empty()
            && let Some(connection) = self.connection_mut(id)
        {
            connection.partial.extend_from_slice(bytes);
        }
    }

    pub(super) fn on_fragment<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        (id, tag): (ConnectionId, usize),
        kind: Data,
        is_final: bool,
        payload: &[u8],
    ) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let mut message = match (kind, connection.fragments.take()) {
            (Data::Continue, Some(message)) => message,
            (Data::Text | Data::Binary, None) => Box::new((kind == Data::Text, Vec::new())),
            _ => return self.end(id, End::Broken("fragments out of place".to_owned())),
        };
        message.1.extend_from_slice(payload);
        if !is_final {
            connection.fragments = Some(message);
        } else if message.0 {
            handler.on_event(self, id, tag, Event::Text(&message.1));
        } else {
            handler.on_event(self, id, tag, Event::Binary(&message.1));
        }
    }

    pub(super) fn on_close_frame(&mut self, id: ConnectionId, payload: &[u8]) {
        let code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if connection.stage == Stage::Open {
            connection.server_close = Some(code);
            self.send(id, |masks, unsent| masks.write_close(unsent));
            self.write(id);
            self.end(id, End::CloseFrame(code));
        }
        // In `Closing` this is the answer to ours: the server ends TCP now, and reading notices it.
    }
}
