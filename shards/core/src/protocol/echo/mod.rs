//! A protocol that sends every message back: what conformance suites of WebSocket talk to. No path leads to it unless an
//! embedding program says so.

use super::event::Message;
use crate::effects::Cx;
use crate::ws::Kind;

/// It has no sessions and no rooms.
#[derive(Debug)]
pub(super) struct Echo;

impl Echo {
    pub(super) fn message(cx: &mut Cx<'_>, message: Message<'_>) {
        let (kind, payload) = match message {
            Message::Text(text) => (Kind::Text, text.as_bytes()),
            Message::Binary(payload) => (Kind::Binary, payload),
            Message::Oversize { .. } => return,
        };
        cx.send(kind, |out| out.extend_from_slice(payload));
    }
}
