//! What every black-box test stands on: the real binary with a configuration of its own, and clients that write down
//! what they saw.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file is a crate of its own and uses its own part of the harness"
)]

pub mod certificates;
pub mod client;
pub mod issuer;
pub mod jwt;
pub mod raw;
pub mod run;
pub mod secrets;
pub mod server;
pub mod stream;
pub mod table;

pub use client::{Client, Incoming};
pub use raw::Raw;
pub use server::Server;

use std::time::{Duration, Instant};

/// How long a test waits for something that must happen. Far above what a correct server needs, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Polls `condition` until it holds.
///
/// # Panics
/// After [`PATIENCE`], naming `what`.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Plays a scene until it takes less than `bound`, at most four times. A machine that stands still for a moment makes a scene
/// late once; a slow server makes it late every time.
///
/// # Panics
/// When it was late every time.
#[track_caller]
pub fn in_time(bound: Duration, mut scene: impl FnMut() -> Duration) {
    let mut late = Vec::new();
    while late.len() < 4 {
        let took = scene();
        if took < bound {
            return;
        }
        late.push(took);
    }
    panic!("slower than {bound:?} every time: {late:?}");
}
