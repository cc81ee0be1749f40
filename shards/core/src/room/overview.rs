//! How operators see rooms, whatever their protocol.

use super::{MemberId, RoomId};
use crate::admission::AppIndex;
use std::net::IpAddr;
use std::time::Duration;

/// Which rooms an operator wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomQuery {
    /// Only of this game.
    pub game: Option<Box<str>>,
    /// Only with this code.
    pub code: Option<Box<str>>,
    /// Only of this app.
    pub app: Option<AppIndex>,
    /// The place to begin at: 0, or [`RoomPage::next`] of the page before.
    pub from: u32,
    /// Rooms on the page at most.
    pub count: usize,
}

/// Some of the rooms of a shard.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoomPage {
    /// Rooms, in the order of their places.
    pub rooms: Vec<RoomOverview>,
    /// Where to go on; nothing when there are no more.
    pub next: Option<u32>,
}

/// One room.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomOverview {
    /// Id.
    pub id: RoomId,
    /// Game.
    pub game: Box<str>,
    /// Code.
    pub code: Box<str>,
    /// App of its members, if they have one.
    pub app: Option<AppIndex>,
    /// State of its lobby.
    pub state: &'static str,
    /// Players in it.
    pub players: usize,
    /// Seats.
    pub max_players: u8,
    /// Spectators in it.
    pub spectators: usize,
    /// Dropped players who may return.
    pub awaited: usize,
    /// Since it was created.
    pub age: Duration,
    /// Since a member sent anything but a ping.
    pub silent: Duration,
    /// Messages of members since it was created.
    pub messages: u64,
    /// The same per second, over the last 5 to 10 s in which there were any.
    pub messages_per_sec: f64,
}

/// One room and who is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomDetail {
    /// The room.
    pub room: RoomOverview,
    /// Whether it has an authority.
    pub supports_authority: bool,
    /// Relay type of its game.
    pub relay_type: Box<str>,
    /// Players in the order in which they joined, then spectators.
    pub members: Vec<MemberDetail>,
}

/// One member of a room.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberDetail {
    /// Id.
    pub id: MemberId,
    /// Name.
    pub name: Box<str>,
    /// Whether it only watches.
    pub is_spectator: bool,
    /// Whether it is ready.
    pub is_ready: bool,
    /// Whether it has authority.
    pub is_authority: bool,
    /// Address of its client.
    pub address: Option<IpAddr>,
    /// Lower-case hex SHA-256 of its client's certificate.
    pub certificate: Option<Box<str>>,
    /// Bytes that wait to be sent to it.
    pub unsent_bytes: usize,
}
