//! What the hot path costs.
//!
//! [`paths`] holds every operation that is measured, written once: `cargo bench -p signal-fish-bench` times them with
//! Criterion, `scripts/instructions.sh` counts their instructions. [`fixture`] is the server around them: engines and
//! admission, joined in one thread, without a socket or a clock.
#![forbid(unsafe_code)]

pub mod fixture;
pub mod paths;
