//! The loop of one shard: **a shard is one value with one method, [`Shard::turn`]**, generic over its sockets and its post.
//! Production drives it with epoll, the simulator with invented sockets and virtual time, the benches count it.
//!
//! A connection is a small state machine in its slot: head (HTTP) → open (a protocol) → moving, or closing.
//!
//! | file | what it is about |
//! |---|---|
//! | `turn` | one pass, with every budget |
//! | `state` | what a shard owns |
//! | `slots`, `connection` | connections and their states |
//! | `newcomers`, `head`, `frames` | accepting, HTTP, messages |
//! | `asking` | effects are carried out, verdicts come back |
//! | `desk` | requests that the desk answers, streams, questions of the desk |
//! | `moves`, `moving` | connections on the move |
//! | `ending` | what ends a connection, and the shard |
//! | `flush` | sends |
//! | `secure`, `handshakes` | TLS: what is opened and sealed, the budgets of handshakes |
//! | `debts` | what a sender may cause |
//! | `wheel`, `timers` | deadlines |
//! | `yielding`, `refused` | bounds on kinds of connections and on questions |
//! | `meter` | what is measured with the clock |
//! | `mail`, `report`, `options` | what others see of it |

mod asking;
mod connection;
mod debts;
mod desk;
mod ending;
mod flush;
mod frames;
mod handshakes;
mod head;
mod mail;
mod meter;
mod moves;
mod moving;
mod newcomers;
mod options;
mod refused;
mod report;
mod secure;
mod slots;
mod state;
mod timers;
mod turn;
mod wheel;
mod yielding;

pub use mail::{Cause, Mail, Post, Question, Reload, Reply, Request, ToDesk, Told};
pub use meter::{LATENCY_MICROS_MAX, Latency};
pub use moving::Moving;
pub use options::{Options, RelayOptions};
pub use report::{Counters, Figures, Report};
pub use state::{Plan, Shard};
pub use turn::Next;
