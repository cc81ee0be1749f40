//! What leaves a shard for others, and what arrives for it.

use crate::control::ToControl;
use crate::desk::DeskSender;
use crate::mailbox::{Inbox, Mail, Mailbox};
use signal_fish_core::ShardIndex;
use signal_fish_core::shard::{Post, Request, ToDesk};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The post of one shard. `M` is what the control plane receives: requests of shards, and whatever else the process tells it.
#[derive(Debug)]
pub(crate) struct ShardPost<M: From<Request>> {
    pub(crate) inbox: Inbox,
    /// The mailboxes of all shards.
    pub(crate) mailboxes: Arc<[Mailbox]>,
    pub(crate) control: ToControl<M>,
    pub(crate) desk: DeskSender,
    /// Requests were made in this turn.
    pub(crate) requested: bool,
}

impl<M: From<Request>> Post<OwnedFd> for ShardPost<M> {
    fn has_mail(&mut self) -> bool {
        self.inbox.has_mail()
    }

    fn take(&mut self) -> Option<Mail> {
        self.inbox.take()
    }

    fn mail(&mut self, to: ShardIndex, mail: Mail) -> Result<(), Mail> {
        match self.mailboxes.get(usize::from(to.0)) {
            Some(mailbox) => mailbox.try_send(mail),
            None => Err(mail),
        }
    }

    fn request(&mut self, request: Request) {
        self.control.push(request.into());
        self.requested = true;
    }

    fn to_desk(&mut self, message: ToDesk) -> Result<(), ToDesk> {
        self.desk.send(message)
    }

    fn turn_ends(&mut self) {
        if std::mem::take(&mut self.requested) {
            self.control.ring();
        }
    }
}

/// The shard has ended. What was mailed to it after it looked for the last time goes back, or it would be counted for ever.
/// What somebody pushes at this very moment is for [`Leftover`](crate::Leftover).
impl<M: From<Request>> Drop for ShardPost<M> {
    fn drop(&mut self) {
        self.inbox.end();
        while let Some(mail) = self.inbox.take() {
            mail.abandon(|notice| self.control.push(Request::Notice(notice).into()));
        }
        self.control.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{control_channel, desk_channel, mailbox};
    use ahash::RandomState;
    use signal_fish_core::Slot;
    use signal_fish_core::admission::{Admission, Ask, Limits};
    use std::time::Duration;

    #[test]
    fn what_an_ended_shard_never_read_goes_back() {
        let limits = Limits {
            connections_max: 10,
            connections_per_ip_max: 10,
            rooms_per_game_max: 0,
            room_creations_max: 0,
            handshakes_per_sec_per_ip: 0,
            join_attempts_max: 0,
            relay: signal_fish_core::admission::Rates::default(),
            time_window: Duration::ZERO,
            apps: Vec::new(),
        };
        let mut admission = Admission::new(limits, RandomState::with_seeds(1, 2, 3, 4));
        let ask = Ask::Connect {
            ip: [127, 0, 0, 1].into(),
        };
        let verdict = admission.decide(Duration::ZERO, ask);
        assert_eq!(admission.totals().connections_active, 1);

        let (mailbox, inbox) = mailbox(10).unwrap();
        let (control, mut at) = control_channel::<Request>();
        let post = ShardPost {
            inbox,
            mailboxes: Arc::new([]),
            control,
            desk: desk_channel().0,
            requested: false,
        };
        let slot = Slot {
            index: 0,
            generation: 0,
        };
        let crowded = admission.crowded();
        mailbox.try_send(Mail::Verdict { slot, verdict, crowded }).unwrap();
        drop(post);
        while let Some(request) = at.try_receive() {
            if let Request::Notice(notice) = request {
                admission.give_back(notice);
            }
        }
        assert_eq!(admission.totals().connections_active, 0);
    }
}
