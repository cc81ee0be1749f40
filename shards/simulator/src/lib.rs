//! The server without a machine: the shards of [`signal_fish_core`], admission and scripted clients in one thread.
//!
//! Time is virtual, everything random comes from a seed, and what networks do to bytes can be set: reads that are
//! split, writes that are cut short, sockets that take nothing, clients that vanish, mail that is late.
//!
//! | file | what it is about |
//! |---|---|
//! | [`world`] | a server and its clients, step by step; what holds after every step |
//! | `client`, `frames`, `messages`, `tls` | what clients send and get |
//! | [`schedule`] | random schedules with every fault, and how a failing one is shrunk |
//! | [`ledger`] | what every client was promised, what came, and why they differ |
//! | `network`, `sockets`, `post` | what carries bytes and mail, and its faults |
//! | `plan`, `random`, `replay` | the settings, the seeds, and how to play a seed again |
//! | [`shards`], `sink` | shards for the benches, whose sockets cost next to nothing |
//!
//! Imports run one way: `schedule` → `world` → `post` → `ledger` → `client`, `sockets` → `network` → `random`.
#![forbid(unsafe_code)]

pub mod ledger;
pub mod schedule;
pub mod shards;
pub mod world;

mod client;
mod frames;
mod messages;
mod network;
mod observer;
mod plan;
mod post;
mod random;
mod replay;
mod sink;
mod sockets;
mod tls;

pub use client::{Client, Got, upgrade, upgrade_at};
pub use frames::{masked_binary, masked_close, masked_ping, masked_pong, masked_text};
pub use network::{ConnectionId, End, Line, Network, Place};
pub use plan::{MATCHBOX, RELAY, SECURE, open_limits, options, other_sites, site, sites};
pub use post::{Mailroom, SimulatedPost};
pub use random::Sequence;
pub use replay::seeds;
pub use sockets::{LOCALHOST, SimulatedSockets, Socket};
pub use tls::{ClientTls, Version, acceptor};
