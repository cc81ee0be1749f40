//! Fixtures for the benches.
