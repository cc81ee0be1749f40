//! What leaves a shard for others, and what arrives for it.

use crate::cluster::ClusterSender;
use crate::control::ToControl;
use crate::desk::DeskSender;
use crate::mailbox::{Inbox, Mail, Mailbox};
use crate::observer::{Observed, ObserverSender};
use signal_fish_core::ShardIndex;
use signal_fish_core::effects::Published;
use signal_fish_core::protocol::signal_fish::Observation;
use signal_fish_core::shard::{Post, Request, ToDesk};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// The post of one shard. `M` is what the control plane receives: requests of shards, and whatever else the process tells it.
#[derive(Debug)]
pub(crate) struct ShardPost<M: From<Request>> {
    pub(crate) inbox: Inbox,
    /// The mailboxes of all shards.
    pub(crate) mailboxes: Arc<[Mailbox]>,
    pub(crate) control: ToControl<M>,
    pub(crate) desk: DeskSender,
    pub(crate) observer: Option<ObserverSender>,
    /// To the thread that talks to Redis, if there is one.
    pub(crate) cluster: Option<ClusterSender>,
    /// Requests were made in this turn.
    pub(crate) requested: bool,
    /// Something was published in this turn.
    pub(crate) published: bool,
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

    fn observed(&mut self, unix: Duration, observations: Vec<Observation>) {
        if let Some(observer) = &self.observer {
            observer.send(Observed { unix, observations });
        }
    }

    fn publish(&mut self, message: Published) -> Result<(), Published> {
        let Some(cluster) = &self.cluster else {
            return Err(message);
        };
        cluster.push(message)?;
        self.published = true;
        Ok(())
    }

    fn turn_ends(&mut self) {
        if std::mem::take(&mut self.published)
            && let Some(cluster) = &self.cluster
        {
            cluster.ring();
        }
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
            observer: None,
            cluster: None,
            requested: false,
            published: false,
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
