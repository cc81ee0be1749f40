//! From the client's bytes to events.

use std::str;

use tungstenite::protocol::frame::coding::CloseCode;

use super::frame::{CONTROL_BYTES_MAX, ControlKind, Frame, FrameKind, PartialHeader};
use super::message::Message;
use super::{Event, Limits, Violation};

/// Decodes the frames of one connection.
///
/// A message that arrived in pieces is kept while its event borrows it: call [`Decoder::release`] before going idle, and a
/// decoder between messages holds no heap memory. The next [`Decoder::decode`] frees it, too, but may be long in coming.
#[derive(Debug, Default)]
pub struct Decoder {
    position: Position,
    message: Message,
    /// Payload of a control frame that arrived in pieces, which may be in the middle of a message.
    control: Vec<u8>,
    /// Frames that began since [`Decoder::take_frames`].
    frames: u32,
}

/// Where in the stream of frames the next byte lies.
#[derive(Debug)]
enum Position {
    Header(PartialHeader),
    Payload(Frame),
    /// Behind a close frame: what follows is ignored.
    Closed,
}

impl Default for Position {
    fn default() -> Self {
        Position::Header(PartialHeader::default())
    }
}

impl Decoder {
    /// Takes bytes from the front of `input` until an event is complete or the input is used up. Returns how many
    /// bytes were taken and the event, if there is one. The bytes taken may have been unmasked in place.
    ///
    /// Without an event all of `input` was taken.
    ///
    /// # Errors
    /// A [`Violation`]; the decoder must not be used afterwards.
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
        limits: &Limits,
    ) -> Result<(usize, Option<Event<'a>>), Violation> {
        self.release();
        let mut taken = 0;
        loop {
            let frame = match &mut self.position {
                Position::Closed => return Ok((input.len(), None)),
                Position::Header(partial) => {
                    let (length, frame) = partial.push(&input[taken..])?;
                    taken += length;
                    let Some(frame) = frame else { return Ok((taken, None)) };
                    self.enter(frame, limits)?;
                    continue;
                }
                Position::Payload(frame) => frame,
            };
            let payload = frame.take_payload(input, taken);
            taken = payload.end;
            let (kind, is_final, is_complete) = (frame.kind, frame.is_final, frame.remaining == 0);
            if is_complete {
                self.position = Position::default();
            }
            if let FrameKind::Control(kind) = kind {
                if is_complete {
                    let event = self.control_event(kind, &input[payload])?;
                    return Ok((taken, Some(event)));
                }
                self.control.extend_from_slice(&input[payload]);
            } else if is_complete && is_final && self.message.is_empty() {
                return Ok((taken, self.message.deliver_whole(&input[payload])?));
            } else {
                self.message.append(&input[payload], is_final, limits)?;
                if is_complete && is_final {
                    return Ok((taken, self.message.deliver_collected()?));
                }
            }
            if !is_complete {
                return Ok((taken, None));
            }
        }
    }

    /// Bytes of heap memory held: at most [`Limits::message_bytes_max`] for a message and a control frame's 125.
    pub fn heap_bytes(&self) -> usize {
        self.message.heap_bytes() + self.control.capacity()
    }

    /// Whether no frame and no message is under way, so that nothing would be lost with the decoder.
    pub fn is_idle(&self) -> bool {
        self.is_between_frames() && !self.is_in_message()
    }

    /// Whether a message has begun and is not complete.
    pub fn is_in_message(&self) -> bool {
        self.message.is_under_way()
    }

    fn is_between_frames(&self) -> bool {
        matches!(&self.position, Position::Header(partial) if partial.is_empty())
    }

    /// How many frames began since the last call.
    pub fn take_frames(&mut self) -> u32 {
        std::mem::take(&mut self.frames)
    }

    /// Frees what the last event borrowed. What is incomplete stays.
    pub fn release(&mut self) {
        self.message.release();
        if let Position::Header(_) = self.position {
            self.control = Vec::new();
        }
    }

    /// Goes from a header to its payload.
    fn enter(&mut self, frame: Frame, limits: &Limits) -> Result<(), Violation> {
        match frame.kind {
            FrameKind::First(kind) => self.message.begin(kind, frame.remaining, limits)?,
            FrameKind::Continuation => self.message.proceed(frame.remaining, limits)?,
            FrameKind::Control(_) => {}
        }
        self.position = Position::Payload(frame);
        self.frames = self.frames.saturating_add(1);
        Ok(())
    }

    /// The event of a control frame whose payload is what was kept of it and then `rest`.
    fn control_event<'a>(&'a mut self, kind: ControlKind, rest: &'a [u8]) -> Result<Event<'a>, Violation> {
        let payload = if self.control.is_empty() {
            rest
        } else {
            self.control.extend_from_slice(rest);
            &self.control
        };
        debug_assert!(payload.len() <= CONTROL_BYTES_MAX);
        match kind {
            ControlKind::Ping => Ok(Event::Ping(payload)),
            ControlKind::Pong => Ok(Event::Pong),
            ControlKind::Close => {
                self.position = Position::Closed;
                close_reason(payload).map(Event::Close)
            }
        }
    }
}

/// The code and the reason in a close frame's body (RFC 6455, 5.5.1 and 7.4).
fn close_reason(body: &[u8]) -> Result<Option<(u16, &str)>, Violation> {
    let (code, reason) = match body {
        [] => return Ok(None),
        [_] => return Err(Violation::Protocol("close frame with half a code")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !CloseCode::from(code).is_allowed() {
        return Err(Violation::Protocol("close code that may not be sent"));
    }
    let reason = str::from_utf8(reason).map_err(|_| Violation::InvalidUtf8)?;
    Ok(Some((code, reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_is_small() {
        assert!(size_of::<Decoder>() <= 104, "{}", size_of::<Decoder>());
    }
}
