//! Load generator for Signal Fish servers.
//!
//! **Open loop**: what is to be sent is due on a fixed schedule, and latency counts from the moment it was due, so that a
//! server that stalls is charged with everything that should have happened meanwhile.
//!
//! A [`Plan`] says what to do, [`run`] does it on a few threads, each with one epoll loop over non-blocking sockets, and a
//! [`report::Report`] says what came of it.
#![forbid(unsafe_code)]

pub mod accounting;
pub mod comparison;
pub mod control;
pub mod floor;
pub mod frame;
pub mod game_data;
pub mod host;
pub mod latency;
pub mod ledger;
pub mod limit;
pub mod net;
pub mod plan;
pub mod process;
pub mod refusal;
pub mod report;
pub mod rooms;
mod run;
pub mod scenario;
pub mod stamp;
pub mod target;
mod time;
mod tls;

pub use game_data::Format;
pub use plan::{Load, Plan};
pub use run::{Run, Sample, run};
pub use target::Target;
pub use tls::TlsFiles;
