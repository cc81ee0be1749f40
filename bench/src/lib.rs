//! What the hot path costs.
//!
//! [`paths`] holds every operation that is measured, written once: `cargo bench -p signal-fish-bench` times them with
//! Criterion, `scripts/instructions.sh` counts their instructions. The server around them is that of
//! [`signal_fish_simulator::shards`]: shards and admission in one thread, without a socket or a clock.
#![forbid(unsafe_code)]

pub mod paths;
