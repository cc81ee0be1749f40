//! What is fuzzed: one function per target. It takes any bytes, and panics if they break a promise.
//!
//! The fuzzers in `fuzz/bins` call these functions; the test `what_fuzzing_found_stays_fixed` calls them with every file
//! of `fuzz/corpus` and `fuzz/regressions`. `docs/testing.md` tells how to fuzz.
#![forbid(unsafe_code)]

mod client_json;
mod configuration;
mod cuts;
mod forwarded;
mod frames;
mod http_head;
mod message_pack;
mod session;
mod strict;
mod tls_handshake;

pub use client_json::client_json;
pub use configuration::configuration;
pub use forwarded::forwarded;
pub use frames::frames;
pub use http_head::http_head;
pub use message_pack::message_pack;
pub use session::session;
pub use tls_handshake::tls_handshake;

/// A target: any bytes, and a panic if they break a promise.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also that of its folders and of its fuzzer.
pub const TARGETS: [(&str, Target); 8] = [
    ("client_json", client_json),
    ("configuration", configuration),
    ("forwarded", forwarded),
    ("frames", frames),
    ("http_head", http_head),
    ("message_pack", message_pack),
    ("session", session),
    ("tls_handshake", tls_handshake),
];
