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
pub(crate) struct ShardPost<M> {
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
