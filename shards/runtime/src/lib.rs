//! The runtime: one glommio executor per shard, with its sockets, its slots and the one engine that it drives.
//!
//! A shard shares nothing with other shards but mailboxes. **On the path of a relayed message there is no lock, no channel
//! and no atomic that another core writes**: bytes are received, decoded, handed to the [`Handler`], appended to outboxes
//! and sent, all on the thread that owns the room.
//!
//! The process around the shards provides an [`Acceptor`] (HTTP and the upgrade) and starts one [`ShardPlan`] per core.

mod batches;
mod clock;
mod connection;
mod flusher;
mod handler;
mod handoff;
mod incoming;
mod mailbox;
mod outbox;
mod readiness;
mod shard;
mod socket;
mod table;
mod timers;

pub use handler::Handler;
pub use incoming::{Acceptor, Hint, Incoming, ReadError, Upgraded};
pub use mailbox::{Inbox, Mail, Mailbox, Request, mailbox};
pub use shard::{Batching, Options, ShardPlan, ShardReport, ShardThread};
pub use socket::{listen, listen_again};
pub use table::Table;
