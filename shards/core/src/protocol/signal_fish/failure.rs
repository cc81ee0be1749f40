//! Why something that a client wants does not happen.

use super::wire::ErrorCode;
use crate::admission::Refusal;
use crate::entry::Denied;
use std::borrow::Cow;

/// Text for people and code for programs.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) reason: Cow<'static, str>,
    pub(super) code: ErrorCode,
}

impl Failure {
    pub(super) fn new(reason: impl Into<Cow<'static, str>>, code: ErrorCode) -> Self {
        let reason = reason.into();
        Self { reason, code }
    }

    /// A verdict did not bring what was asked for. `game` is the game that a room was wanted for.
    pub(super) fn denied(denied: Denied, game: &str) -> Self {
        match denied {
            Denied::Refused(refusal) => Self::refused(&refusal, game),
            Denied::Mismatch => Self::internal(),
        }
    }

    /// Admission refused. `game` is the game that a room was wanted for.
    pub(super) fn refused(refusal: &Refusal, game: &str) -> Self {
        let text = match refusal {
            Refusal::JoinRate { retry_after_secs } => {
                format!("Join attempt rate limit exceeded. Try again in {retry_after_secs} seconds.")
            }
            Refusal::CreationRate { retry_after_secs } => {
                format!("Room creation rate limit exceeded. Try again in {retry_after_secs} seconds.")
            }
            // All but the first are the relay's, which asks for itself.
            Refusal::AuthenticationRate
            | Refusal::RoomFull
            | Refusal::BreakerOpen
            | Refusal::Redis
            | Refusal::Token
            | Refusal::RoomClaim
            | Refusal::ConnectionRate
            | Refusal::MessageRate { .. } => "RateLimitExceeded".to_owned(),
            Refusal::RoomsPerGame { current, limit } => {
                let text = format!("Game `{game}` already has {current} rooms (limit {limit})");
                return Self::new(text, ErrorCode::MaxRoomsPerGameExceeded);
            }
            Refusal::RoomsPerApp { current, limit } => {
                let text = format!("App already has {current} rooms (limit {limit})");
                return Self::new(text, ErrorCode::MaxRoomsPerGameExceeded);
            }
            Refusal::ConnectionsPerIp { current, limit } => {
                let text = format!("Too many connections from your IP ({current}/{limit})");
                return Self::new(text, ErrorCode::TooManyConnections);
            }
            Refusal::Banned => return Self::new("Your address is banned", ErrorCode::Unauthorized),
            Refusal::App => return Self::unknown_app(),
            Refusal::Directory => return Self::new("App lookup failed", ErrorCode::ServiceUnavailable),
            Refusal::Connections => return Self::new("Server is full", ErrorCode::ServiceUnavailable),
        };
        Self::new(text, ErrorCode::RateLimitExceeded)
    }

    /// Nobody knows the app.
    pub(super) fn unknown_app() -> Self {
        Self::new("InvalidAppId", ErrorCode::InvalidAppId)
    }

    /// For what cannot happen.
    pub(super) fn internal() -> Self {
        Self::new("Internal error", ErrorCode::InternalError)
    }

    /// The message is invalid.
    pub(super) fn invalid(reason: &'static str) -> Self {
        Self::new(reason, ErrorCode::InvalidInput)
    }

    /// A session is a member of one room at most (D8).
    pub(super) fn already_in_room() -> Self {
        Self::new("Already in a room", ErrorCode::AlreadyInRoom)
    }

    /// A player or a held seat has the name. Newcomers and returning players are told with different codes.
    pub(super) fn name_taken(code: ErrorCode) -> Self {
        Self::new("Player name already exists in this room", code)
    }

    pub(super) fn room_full() -> Self {
        Self::new("Room is full", ErrorCode::RoomFull)
    }

    pub(super) fn room_not_found() -> Self {
        Self::new("Room not found", ErrorCode::RoomNotFound)
    }
}
