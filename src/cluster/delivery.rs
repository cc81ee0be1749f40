//! The mailboxes of the shards, as the thread fills them.

use signal_fish_core::ShardIndex;
use signal_fish_core::protocol::relay::Relayed;
use signal_fish_runtime::{Mail, Mailbox};
use std::collections::VecDeque;
use std::sync::Arc;

/// Mail of other nodes that a shard has not taken. With half of it the channels are not read, and what does not fit is lost.
pub(crate) const RELAYED_MAX: usize = 1024;
/// Its bytes.
pub(crate) const RELAYED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The mailboxes of all shards. What waits in them for this thread's sake is bounded, so that there is always room for
/// verdicts.
pub(crate) struct Delivery {
    mailboxes: Arc<[Mailbox]>,
    shards: Vec<Delivered>,
}

/// What one shard has got.
#[derive(Default)]
struct Delivered {
    /// Messages that it may not have taken, oldest first: one that nobody else holds was taken.
    held: VecDeque<Arc<str>>,
    bytes: usize,
    rung: bool,
    /// What it was told of the breaker.
    breaker_open: Option<bool>,
}

impl Delivery {
    pub(crate) fn new(mailboxes: Arc<[Mailbox]>) -> Self {
        Self {
            shards: mailboxes.iter().map(|_| Delivered::default()).collect(),
            mailboxes,
        }
    }

    /// Mails a message to a shard. Returns whether that was possible.
    pub(super) fn relay(&mut self, shard: ShardIndex, message: Relayed) -> bool {
        let index = usize::from(shard.0);
        let (Some(mailbox), Some(delivered)) = (self.mailboxes.get(index), self.shards.get_mut(index)) else {
            return false;
        };
        delivered.forget_taken();
        let length = message.text.len();
        if delivered.held.len() >= RELAYED_MAX || delivered.bytes.saturating_add(length) > RELAYED_BYTES_MAX {
            return false;
        }
        let text = Arc::clone(&message.text);
        if mailbox.try_push(Mail::Relayed(message)).is_err() {
            return false;
        }
        delivered.held.push_back(text);
        delivered.bytes += length;
        delivered.rung = true;
        true
    }

    /// Whether a shard has half of what it may have.
    pub(super) fn is_crowded(&mut self) -> bool {
        self.shards.iter_mut().any(|delivered| {
            delivered.forget_taken();
            delivered.held.len() >= RELAYED_MAX / 2 || delivered.bytes >= RELAYED_BYTES_MAX / 2
        })
    }

    /// Tells every shard whether the breaker is open, if it does not know.
    pub(super) fn tell(&mut self, breaker_open: bool) {
        for (delivered, mailbox) in self.shards.iter_mut().zip(self.mailboxes.iter()) {
            if delivered.breaker_open != Some(breaker_open) && mailbox.try_push(Mail::Breaker(breaker_open)).is_ok() {
                delivered.breaker_open = Some(breaker_open);
                delivered.rung = true;
            }
        }
    }

    /// Whether a shard does not know yet.
    pub(super) fn has_untold(&self) -> bool {
        let first = self.shards.first().map(|delivered| delivered.breaker_open);
        self.shards
            .iter()
            .any(|delivered| Some(delivered.breaker_open) != first || delivered.breaker_open.is_none())
    }

    /// Wakes the shards that got something.
    pub(super) fn ring(&mut self) {
        for (delivered, mailbox) in self.shards.iter_mut().zip(self.mailboxes.iter()) {
            if std::mem::take(&mut delivered.rung) {
                mailbox.ring();
            }
        }
    }
}

impl Delivered {
    fn forget_taken(&mut self) {
        while let Some(text) = self.held.pop_front_if(|text| Arc::strong_count(text) == 1) {
            self.bytes -= text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_fish_runtime::mailbox;

    fn message(bytes: usize) -> Relayed {
        Relayed {
            room: "room".into(),
            from: None,
            text: "x".repeat(bytes).into(),
            is_of_client: true,
        }
    }

    #[test]
    fn a_shard_that_takes_nothing_is_not_buried_in_mail() {
        let (to, inbox) = mailbox(RELAYED_MAX + 1).unwrap();
        let mut delivery = Delivery::new(Arc::new([to]));
        for count in 0..RELAYED_MAX {
            assert_eq!(delivery.is_crowded(), count >= RELAYED_MAX / 2);
            assert!(delivery.relay(ShardIndex(0), message(1)));
        }
        assert!(!delivery.relay(ShardIndex(0), message(1)));
        delivery.tell(true);
        assert!(!delivery.has_untold(), "there is room for what is no message");
        assert!(!delivery.relay(ShardIndex(1), message(1)), "there is no such shard");
        // What an ended shard had is free again.
        drop(inbox);
        drop(delivery.mailboxes);
        assert!(delivery.shards.iter_mut().all(|shard| {
            shard.forget_taken();
            shard.held.is_empty() && shard.bytes == 0
        }));
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let (to, _inbox) = mailbox(RELAYED_MAX).unwrap();
        let mut delivery = Delivery::new(Arc::new([to]));
        assert!(delivery.relay(ShardIndex(0), message(RELAYED_BYTES_MAX / 2)));
        assert!(delivery.is_crowded());
        assert!(delivery.relay(ShardIndex(0), message(RELAYED_BYTES_MAX / 2)));
        assert!(!delivery.relay(ShardIndex(0), message(1)));
    }
}
