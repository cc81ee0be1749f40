//! What clients speak: one folder per protocol.

pub mod signal_fish;
