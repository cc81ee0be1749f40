//! What admission counted, as a snapshot for the log and for metrics.

use super::Refusal;

/// What is live now and what was decided since the start; a snapshot for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections that hold a ticket.
    pub connections_active: u64,
    /// Tickets granted since the start.
    pub connections_total: u64,
    /// Rooms that hold a permit.
    pub rooms_active: u64,
    /// Permits granted since the start.
    pub rooms_opened_total: u64,
    /// Joins counted since the start.
    pub joins_total: u64,
    /// Authentications admitted since the start.
    pub authentications_total: u64,
    /// Client addresses with a connection now.
    pub addresses_active: u64,
    /// Games, per app, with a room now.
    pub games_active: u64,
    /// Windows of attempts that are open now.
    pub windows_active: u64,
    /// Addresses of which the relay remembers something now.
    pub relay_addresses_active: u64,
    /// Authentications that count against a limit now.
    pub authentications_counted: u64,
    /// Addresses that are banned now.
    pub bans_active: u64,
    /// Refusals since the start.
    pub refusals: Refusals,
}

/// Refusals since the start, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusals {
    /// [`Refusal::ConnectionsPerIp`].
    pub connections_per_ip: u64,
    /// [`Refusal::Connections`].
    pub connections: u64,
    /// [`Refusal::Banned`].
    pub banned: u64,
    /// [`Refusal::JoinRate`].
    pub join_rate: u64,
    /// [`Refusal::CreationRate`].
    pub creation_rate: u64,
    /// [`Refusal::RoomsPerGame`].
    pub rooms_per_game: u64,
    /// [`Refusal::RoomsPerApp`].
    pub rooms_per_app: u64,
    /// [`Refusal::AuthenticationRate`].
    pub authentication_rate: u64,
    /// [`Refusal::Token`] and [`Refusal::RoomClaim`].
    pub tokens: u64,
    /// [`Refusal::ConnectionRate`].
    pub connection_rate: u64,
    /// [`Refusal::MessageRate`].
    pub message_rate: u64,
}

impl Refusals {
    pub(super) fn count(&mut self, refusal: &Refusal) {
        let counter = match refusal {
            Refusal::ConnectionsPerIp { .. } => &mut self.connections_per_ip,
            Refusal::Connections => &mut self.connections,
            Refusal::Banned => &mut self.banned,
            Refusal::JoinRate { .. } => &mut self.join_rate,
            Refusal::CreationRate { .. } => &mut self.creation_rate,
            Refusal::RoomsPerGame { .. } => &mut self.rooms_per_game,
            Refusal::RoomsPerApp { .. } => &mut self.rooms_per_app,
            Refusal::AuthenticationRate => &mut self.authentication_rate,
            Refusal::Token | Refusal::RoomClaim => &mut self.tokens,
            Refusal::ConnectionRate => &mut self.connection_rate,
            Refusal::MessageRate { .. } => &mut self.message_rate,
            // These are not admission's; the shard that is told counts them.
            Refusal::App | Refusal::Directory | Refusal::RoomFull | Refusal::BreakerOpen | Refusal::Redis => return,
        };
        *counter += 1;
    }
}
