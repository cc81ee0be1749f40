//! Signaling and relay server.
fn main() {}
