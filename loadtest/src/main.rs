//! Load generator for Signal Fish servers.
fn main() {}
