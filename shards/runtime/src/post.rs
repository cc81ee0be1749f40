//! What leaves a shard for others, and what arrives for it.

use crate::mailbox::{Inbox, Mail, Mailbox};
use crossbeam_channel::Sender;
use signal_fish_core::ShardIndex;
use signal_fish_core::shard::{Post, Request};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The post of one shard. `M` is what the control plane receives: requests of shards, and whatever else the process tells it.
#[derive(Debug)]
pub(crate) struct ShardPost<M> {
    pub(crate) inbox: Inbox,
    /// The mailboxes of all shards.
    pub(crate) mailboxes: Arc<[Mailbox]>,
    pub(crate) control: Sender<M>,
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
        // The control plane ends after all shards.
        let _ = self.control.send(request.into());
    }
}
