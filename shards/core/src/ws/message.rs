//! A message whose frames are arriving: collected if it may be delivered, else counted and thrown away (D10).

use std::str;

use super::utf8::SplitCharacter;
use super::{Event, Kind, Limits, Violation};

/// Bytes allocated for the first piece, so that a message in tiny pieces does not begin with many tiny allocations.
const FIRST_CAPACITY: usize = 64;

/// The message between its first header and its delivery.
#[derive(Debug, Default)]
pub(super) struct Message {
    body: Body,
    /// Handed out in an event; to be forgotten before anything else is read.
    delivered: bool,
    /// Bytes that its headers announced so far.
    announced: u64,
}

/// What is kept of it.
#[derive(Debug, Default)]
enum Body {
    /// There is no message.
    #[default]
    Absent,
    Text {
        text: String,
        /// The character that the text so far ends in.
        split: SplitCharacter,
    },
    Binary(Vec<u8>),
    /// It is over the limit.
    Discarded(Kind),
}

impl Message {
    /// Enters the header of a message's first frame.
    pub(super) fn begin(&mut self, kind: Kind, length: u64, limits: &Limits) -> Result<(), Violation> {
        if !matches!(self.body, Body::Absent) {
            return Err(Violation::Protocol("new message inside a fragmented one"));
        }
        self.body = match kind {
            Kind::Text => Body::Text {
                text: String::new(),
                split: SplitCharacter::default(),
            },
            Kind::Binary => Body::Binary(Vec::new()),
        };
        self.announce(length, limits)
    }

    /// Enters the header of a later frame.
    pub(super) fn proceed(&mut self, length: u64, limits: &Limits) -> Result<(), Violation> {
        if matches!(self.body, Body::Absent) {
            return Err(Violation::Protocol("continuation of no message"));
        }
        self.announce(length, limits)
    }

    fn announce(&mut self, length: u64, limits: &Limits) -> Result<(), Violation> {
        self.announced = self.announced.saturating_add(length);
        if self.announced > limits.discard_bytes_max {
            return Err(Violation::TooLarge);
        }
        if self.announced > limits.message_bytes_max as u64 {
            // What was collected goes with the old body.
            self.body = Body::Discarded(self.kind());
        }
        Ok(())
    }

    /// Whether nothing of it is kept, so that a payload which completes it can be delivered from the input.
    pub(super) fn is_empty(&self) -> bool {
        match &self.body {
            Body::Text { text, split } => text.is_empty() && split.len() == 0,
            Body::Binary(bytes) => bytes.is_empty(),
            Body::Absent | Body::Discarded(_) => true,
        }
    }

    /// Collects a piece of payload. `is_final`: it belongs to the last frame, so that all is announced.
    pub(super) fn append(&mut self, piece: &[u8], is_final: bool, limits: &Limits) -> Result<(), Violation> {
        let length_max = if is_final {
            usize::try_from(self.announced).unwrap_or(usize::MAX)
        } else {
            limits.message_bytes_max
        };
        match &mut self.body {
            Body::Text { text, split } => {
                let more = growth(text.len(), text.capacity(), split.len() + piece.len(), length_max);
                text.reserve_exact(more);
                split.push(piece, text)
            }
            Body::Binary(bytes) => {
                let more = growth(bytes.len(), bytes.capacity(), piece.len(), length_max);
                bytes.reserve_exact(more);
                bytes.extend_from_slice(piece);
                Ok(())
            }
            Body::Absent | Body::Discarded(_) => Ok(()),
        }
    }

    /// Delivers an [empty](Message::is_empty) message whose whole payload is `payload`.
    pub(super) fn deliver_whole<'p>(&mut self, payload: &'p [u8]) -> Result<Option<Event<'p>>, Violation> {
        let Message { body, announced, .. } = std::mem::take(self);
        Ok(match body {
            Body::Text { .. } => Some(Event::Text(
                str::from_utf8(payload).map_err(|_| Violation::InvalidUtf8)?,
            )),
            Body::Binary(_) => Some(Event::Binary(payload)),
            Body::Discarded(kind) => Some(Event::Oversize {
                kind,
                length: announced,
            }),
            Body::Absent => None,
        })
    }

    /// Delivers what was collected; it is kept until [`Message::release`].
    pub(super) fn deliver_collected(&mut self) -> Result<Option<Event<'_>>, Violation> {
        self.delivered = true;
        Ok(match &self.body {
            Body::Text { split, .. } if split.len() > 0 => return Err(Violation::InvalidUtf8),
            Body::Text { text, .. } => Some(Event::Text(text)),
            Body::Binary(bytes) => Some(Event::Binary(bytes)),
            Body::Discarded(kind) => Some(Event::Oversize {
                kind: *kind,
                length: self.announced,
            }),
            Body::Absent => None,
        })
    }

    /// Whether it has begun and is not delivered.
    pub(super) fn is_under_way(&self) -> bool {
        !self.delivered && !matches!(self.body, Body::Absent)
    }

    /// Frees a message that was delivered.
    pub(super) fn release(&mut self) {
        if self.delivered {
            *self = Message::default();
        }
    }

    /// Bytes of heap memory held.
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.body {
            Body::Text { text, .. } => text.capacity(),
            Body::Binary(bytes) => bytes.capacity(),
            Body::Absent | Body::Discarded(_) => 0,
        }
    }

    fn kind(&self) -> Kind {
        match self.body {
            Body::Text { .. } | Body::Discarded(Kind::Text) => Kind::Text,
            Body::Absent | Body::Binary(_) | Body::Discarded(Kind::Binary) => Kind::Binary,
        }
    }
}

/// How much room to reserve for `more` bytes: none if they fit, else twice the capacity, so that the cost of small pieces
/// stays linear, but never past `length_max`, which the message cannot exceed.
fn growth(length: usize, capacity: usize, more: usize, length_max: usize) -> usize {
    let needed = length + more;
    if needed <= capacity {
        return 0;
    }
    capacity
        .saturating_mul(2)
        .max(FIRST_CAPACITY)
        .min(length_max)
        .max(needed)
        - length
}
