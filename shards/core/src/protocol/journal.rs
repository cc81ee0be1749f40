//! What the log says about the life of a connection, at level debug. While that level is off a line costs one comparison.
//!
//! Nothing that a client wrote gets here: no name, room code, text or token. A relayed message is never logged.

use crate::admission;
use crate::room::{MemberId, RoomId};
use crate::slot::{ShardIndex, Slot};
use std::net::IpAddr;

/// What a line tells besides its message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line<'a> {
    pub(crate) shard: ShardIndex,
    pub(crate) slot: Option<Slot>,
    /// Address of the client, proxies taken into account as soon as they are known.
    pub(crate) address: Option<IpAddr>,
    /// Lower-case hex SHA-256 of the client's certificate.
    pub(crate) certificate: Option<&'a str>,
    pub(crate) app: Option<&'a str>,
    pub(crate) room: Option<RoomId>,
    pub(crate) player: Option<MemberId>,
    /// Close code, on the wire or as RFC 6455 names an end without one.
    pub(crate) code: Option<u16>,
    pub(crate) reason: Option<&'a str>,
}

impl Line<'_> {
    /// Logs it.
    #[cold]
    pub(crate) fn log(&self, message: &str) {
        tracing::debug!(
            target: "signal_fish::connection",
            shard = self.shard.0,
            slot = self.slot.map(display),
            address = self.address.map(display),
            certificate = self.certificate,
            app = self.app,
            room = self.room.map(display),
            player = self.player.map(display),
            code = self.code,
            reason = self.reason,
            "{message}"
        );
    }
}

/// A client is closed by a protocol whose sessions have nothing else to tell.
#[cold]
#[inline(never)]
pub(super) fn closed(shard: ShardIndex, slot: Slot, address: Option<IpAddr>, code: u16, reason: &str) {
    if is_on() {
        Line {
            shard,
            slot: Some(slot),
            address,
            code: Some(code),
            reason: Some(reason),
            ..Line::default()
        }
        .log("closed");
    }
}

/// Whether lines are wanted at all. Whoever writes one asks first, so that nothing is put together for nobody.
#[inline]
pub(crate) fn is_on() -> bool {
    tracing::enabled!(target: "signal_fish::connection", tracing::Level::DEBUG)
}

/// A refusal in the words of the log.
pub(crate) fn refusal(refusal: &admission::Refusal) -> &'static str {
    use admission::Refusal;
    match refusal {
        Refusal::ConnectionsPerIp { .. } => "too many connections of this address",
        Refusal::Banned => "the address is banned",
        Refusal::Connections => "the server is full",
        Refusal::JoinRate { .. } => "too many attempts to join",
        Refusal::CreationRate { .. } => "too many rooms created",
        Refusal::RoomsPerGame { .. } => "too many rooms of this game",
        Refusal::RoomsPerApp { .. } => "too many rooms of this app",
        Refusal::Token => "the token is no good",
        Refusal::RoomClaim => "the token is not for this room",
        Refusal::ConnectionRate => "too many connections of this address in a short time",
        Refusal::MessageRate { .. } => "too many messages of this address",
        Refusal::AuthenticationRate => "too many authentications of this app",
        Refusal::App => "no such app",
        Refusal::Directory => "the directory of apps does not answer",
        Refusal::RoomFull => "the room is full",
        Refusal::BreakerOpen => "Redis does not answer for the moment",
        Refusal::Redis => "Redis failed",
    }
}
