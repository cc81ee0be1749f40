//! One room: members, lobby, authority, spectators, seats and replay, without IO.
