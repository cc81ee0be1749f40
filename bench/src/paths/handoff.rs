//! Entering a room on the shard of the connection and on another one: the turns of the shards and the asks in between. The
//! operation is LeaveRoom and JoinRoom of the other of two standing rooms, so that the cost of a handoff is the difference.

use super::Path;
use signal_fish_simulator::shards::{Shards, join};

pub(super) fn paths() -> Vec<Path> {
    vec![
        Path::new("handoff/leave_and_join_here", leave_and_join([0, 0])),
        Path::new("handoff/leave_and_join_elsewhere", leave_and_join([0, 1])),
    ]
}

/// A client that goes back and forth between a room on each of two shards, which may be the same.
fn leave_and_join(owners: [u16; 2]) -> impl FnMut() {
    let mut shards = Shards::new(2);
    let codes = [shards.code_on(owners[0], 0), shards.code_on(owners[1], 1)];
    for (owner, code) in owners.into_iter().zip(&codes) {
        let resident = shards.connect(owner);
        shards.text(resident, &join(code, "resident", 8));
    }
    let joins = codes.map(|code| join(&code, "traveller", 8));
    let traveller = shards.connect(owners[0]);
    shards.text(traveller, &joins[0]);
    let mut other = 1;
    move || {
        let mut sends = shards.text(traveller, r#"{"type":"LeaveRoom"}"#);
        sends += shards.text(traveller, &joins[other]);
        assert_eq!(shards.shard_of(traveller), owners[other]);
        // Two sends to the traveller, one to the resident of each of the two rooms.
        assert_eq!(sends, 4);
        other = 1 - other;
    }
}
