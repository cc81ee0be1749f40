//! Several nodes share the rooms of the relay through Redis (protocol 16.7). One thread, `redis`, talks to it; nothing of
//! this exists on a single node.
//!
//! | file | what it is about |
//! |---|---|
//! | `thread` | the thread: sockets, mail, sleep |
//! | `node` | this node as Redis knows it: connections, breaker, what is begun when; a state machine without sockets and clock |
//! | `seats` | what shards want for clients of the relay |
//! | `answers` | what Redis answers to commands |
//! | `channels` | what comes on the connection for channels |
//! | `rooms` | the rooms with clients here, and their channels |
//! | `missing` | nodes that are gone |
//! | `breaker` | whether Redis is asked at all |
//! | `link` | a connection without its socket: output, and operations that wait for replies |
//! | `resp` | the protocol of Redis |
//! | `scripts` | the keys, the Lua, and every command |
//! | `delivery` | mail of other nodes, to the shards |
//! | `running` | how it is started |
//! | `figures` | what is counted and measured |

mod answers;
mod breaker;
mod channels;
mod delivery;
mod figures;
mod id;
mod link;
mod missing;
mod node;
mod resp;
mod rooms;
mod running;
mod scripts;
mod seats;
mod thread;

pub(crate) use delivery::{RELAYED_BYTES_MAX, RELAYED_MAX};
pub use figures::{Figures, Operation};
pub(crate) use node::Options;
pub(crate) use running::Redis;

use crate::config::{Config, RedisUrl};

/// What the thread is told, if rooms are shared.
pub(crate) fn options(config: &Config) -> Option<Options> {
    let relay = &config.relay;
    let url = relay.redis_url.as_ref().filter(|_| relay.enabled)?;
    Some(Options {
        // A URL that is none is a fault of the configuration.
        url: RedisUrl::parse(url)?,
        capacity: relay.room_capacity,
        room_ttl: relay.room_ttl,
        message_bytes_max: relay.message_max_bytes,
        threshold: relay.cb_error_threshold,
        open_for: relay.cb_open,
    })
}
