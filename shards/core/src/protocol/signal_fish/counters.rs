//! What is counted about sessions and rooms.

/// What happened on a shard since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sessions begun; one that moves to another shard begins once.
    pub sessions_begun: u64,
    /// Sessions ended for good.
    pub sessions_ended: u64,
    /// Reconnection tokens given to players.
    pub tokens_issued: u64,
    /// Rooms created.
    pub rooms_created: u64,
    /// Rooms removed, for whatever reason.
    pub rooms_removed: u64,
    /// Rooms removed because they were empty for too long.
    pub rooms_removed_empty: u64,
    /// Rooms removed because nobody in them said anything for too long.
    pub rooms_removed_inactive: u64,
    /// Players who entered a room, returns not counted.
    pub players_joined: u64,
    /// Players who left a room or dropped out of it.
    pub players_left: u64,
    /// Joins that failed.
    pub joins_failed: u64,
    /// Spectators who came.
    pub spectators_joined: u64,
    /// Spectators who went.
    pub spectators_left: u64,
    /// Games started.
    pub games_started: u64,
    /// Authority taken, released or lost.
    pub authority_changes: u64,
    /// Game data messages received and relayed.
    pub game_data_in: u64,
    /// Game data messages delivered, one per recipient.
    pub game_data_out: u64,
    /// MessagePack values that could not be converted for json members (D38).
    pub game_data_not_convertible: u64,
    /// Broadcasts kept for players who could still return.
    pub events_recorded: u64,
    /// Broadcasts that were not kept because the whole buffer could not hold them (D20).
    pub events_left_out: u64,
    /// Broadcasts that were let go of because the replays of all rooms held too much (D37).
    pub events_given_up: u64,
    /// Players who dropped and may return.
    pub drops: u64,
    /// Players who returned after a drop.
    pub reconnections: u64,
    /// Players who took over their own living connection (D21).
    pub takeovers: u64,
    /// Reconnects that failed.
    pub reconnections_failed: u64,
    /// Drops whose window ended.
    pub reconnections_expired: u64,
    /// Invalid messages, those over the size limit included.
    pub invalid_messages: u64,
    /// Connections closed for too many invalid messages in a row (D41).
    pub closed_invalid: u64,
    /// Connections closed because a message was not signed as agreed (protocol 2.10).
    pub closed_unbound: u64,
    /// Connections closed because nobody authenticated in time.
    pub closed_unauthenticated: u64,
    /// Apps accepted.
    pub authentications: u64,
    /// Apps or SDKs refused.
    pub authentications_failed: u64,
}

/// What lives on a shard now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Rooms.
    pub rooms: usize,
    /// Players in rooms.
    pub players: usize,
    /// Spectators in rooms.
    pub spectators: usize,
    /// Sessions, with or without a room.
    pub sessions: usize,
    /// Dropped players who can still return.
    pub awaited: usize,
    /// Bytes of memory that replays take.
    pub replay_bytes: usize,
    /// Rooms with an explicit code that are about to be created.
    pub openings: usize,
}
