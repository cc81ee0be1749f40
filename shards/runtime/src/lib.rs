//! The runtime: one pinned thread per shard, with its sockets and its mailbox.
//!
//! A shard shares nothing with other shards but mailboxes. **On the path of a relayed message there is no lock, no channel
//! and no atomic that another core writes**, but for one relaxed load per turn: the bell of the mailbox.
//!
//! The process around the shards opens the listeners with [`listen`] and [`listen_again`], makes a [`mailbox`] per shard and
//! starts one [`ShardThread`] per core.
#![forbid(unsafe_code)]

mod bell;
mod clock;
mod cluster;
mod control;
mod desk;
mod fault;
mod listen;
mod mailbox;
mod observer;
mod post;
mod sockets;
mod thread;
mod warnings;

pub use cluster::{ClusterInbox, ClusterSender, PUBLISHED_BYTES_MAX, PUBLISHED_MAX, ToCluster, cluster_channel};
pub use control::{AtControl, ToControl, control_channel};
pub use desk::{DeskReceiver, DeskSender, desk_channel};
pub use fault::Fault;
pub use listen::{BACKLOG, RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES, adopt, bind, listen, listen_again};
pub use mailbox::{Inbox, Leftover, Mail, Mailbox, mailbox};
pub use observer::{Observed, ObserverReceiver, ObserverSender, observer_channel};
pub use thread::{ShardThread, Surroundings};
