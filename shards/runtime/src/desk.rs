//! The way to the desk: one channel for requests, which is bounded, and one for replies, of which there is one per question.

use crossbeam_channel::{Receiver, Sender, unbounded};
use signal_fish_core::shard::ToDesk;

/// Requests that wait at the desk; more are refused. Senders that check at the same moment may exceed it by one each.
const INQUIRIES_MAX: usize = 1024;

/// The side of the shards; cheap to clone.
#[derive(Debug, Clone)]
pub struct DeskSender {
    inquiries: Sender<ToDesk>,
    replies: Sender<ToDesk>,
}

/// The side of the desk.
#[derive(Debug)]
pub struct DeskReceiver {
    /// Each is a [`ToDesk::Inquiry`]. Disconnected when every shard has ended.
    pub inquiries: Receiver<ToDesk>,
    /// Each is a [`ToDesk::Reply`].
    pub replies: Receiver<ToDesk>,
}

/// A way to the desk.
#[must_use]
pub fn desk_channel() -> (DeskSender, DeskReceiver) {
    let (inquiries, from_clients) = unbounded();
    let (replies, from_shards) = unbounded();
    let sender = DeskSender { inquiries, replies };
    let receiver = DeskReceiver {
        inquiries: from_clients,
        replies: from_shards,
    };
    (sender, receiver)
}

impl DeskSender {
    /// Sends; never blocks.
    ///
    /// # Errors
    /// Gives the message back when too many requests wait or the desk has ended.
    pub(crate) fn send(&self, message: ToDesk) -> Result<(), ToDesk> {
        let sender = match &message {
            ToDesk::Inquiry { .. } if self.inquiries.len() >= INQUIRIES_MAX => return Err(message),
            ToDesk::Inquiry { .. } => &self.inquiries,
            ToDesk::Reply { .. } => &self.replies,
        };
        sender.send(message).map_err(|error| error.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_fish_core::http::Inquiry;
    use signal_fish_core::{ShardIndex, Slot};
    use std::net::IpAddr;

    fn inquiry() -> ToDesk {
        ToDesk::Inquiry {
            shard: ShardIndex(0),
            slot: Slot {
                index: 0,
                generation: 0,
            },
            number: 1,
            inquiry: Box::new(Inquiry {
                method: "GET".into(),
                path: "/".into(),
                query: None,
                authorization: None,
                client: IpAddr::from([127, 0, 0, 1]),
            }),
        }
    }

    #[test]
    fn requests_are_bounded() {
        let (sender, receiver) = desk_channel();
        for _ in 0..INQUIRIES_MAX {
            assert!(sender.send(inquiry()).is_ok());
        }
        assert!(sender.send(inquiry()).is_err());
        assert!(receiver.inquiries.try_recv().is_ok());
        assert!(sender.send(inquiry()).is_ok());
        drop(receiver);
        assert!(sender.send(inquiry()).is_err(), "the desk has ended");
    }
}
