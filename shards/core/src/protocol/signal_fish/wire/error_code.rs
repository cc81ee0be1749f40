//! Error codes.

use serde::{Deserialize, Serialize};

/// The 40 error codes that a v2 client knows (protocol 4). There is no 41st: a strict client fails to parse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The connection may not do this.
    Unauthorized,
    /// A token is malformed.
    InvalidToken,
    /// A message came before `Authenticate` where that is required.
    AuthenticationRequired,
    /// The app id is not registered.
    InvalidAppId,
    /// The app id has expired.
    AppIdExpired,
    /// The app id was revoked.
    AppIdRevoked,
    /// The app id is suspended.
    AppIdSuspended,
    /// No app id was given.
    MissingAppId,
    /// No `Authenticate` came in time.
    AuthenticationTimeout,
    /// The SDK gate refused platform or version.
    SdkVersionUnsupported,
    /// The requested game data format is not served.
    UnsupportedGameDataFormat,
    /// The message is not valid protocol.
    InvalidInput,
    /// The game name breaks its rules.
    InvalidGameName,
    /// The room code breaks its rules.
    InvalidRoomCode,
    /// The player name breaks its rules or is taken.
    InvalidPlayerName,
    /// `max_players` is out of range.
    InvalidMaxPlayers,
    /// The message is over `security.max_message_size`.
    MessageTooLarge,
    /// There is no such room.
    RoomNotFound,
    /// Every seat is taken or held.
    RoomFull,
    /// The connection is already a member of a room.
    AlreadyInRoom,
    /// The message needs a room and the connection has none.
    NotInRoom,
    /// The room could not be created.
    RoomCreationFailed,
    /// The game or the app has all the rooms it may have.
    MaxRoomsPerGameExceeded,
    /// The lobby state does not allow this.
    InvalidRoomState,
    /// The room was created without authority.
    AuthorityNotSupported,
    /// Another player has authority.
    AuthorityConflict,
    /// The player does not have the authority it wants to release.
    AuthorityDenied,
    /// Too many attempts; the text names the seconds to wait.
    RateLimitExceeded,
    /// Too many connections from one address.
    TooManyConnections,
    /// There is nothing to return to.
    ReconnectionFailed,
    /// The reconnection token is wrong.
    ReconnectionTokenInvalid,
    /// The time to return is over.
    ReconnectionExpired,
    /// The player came back on another connection.
    PlayerAlreadyConnected,
    /// The room takes no spectators.
    SpectatorNotAllowed,
    /// The room has all the spectators it may have.
    TooManySpectators,
    /// The connection is not a spectator.
    NotASpectator,
    /// Spectating failed.
    SpectatorJoinFailed,
    /// The server failed.
    InternalError,
    /// The server's storage failed.
    StorageError,
    /// The server takes no work at the moment.
    ServiceUnavailable,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPELLINGS: &str = "UNAUTHORIZED INVALID_TOKEN AUTHENTICATION_REQUIRED INVALID_APP_ID APP_ID_EXPIRED \
        APP_ID_REVOKED APP_ID_SUSPENDED MISSING_APP_ID AUTHENTICATION_TIMEOUT SDK_VERSION_UNSUPPORTED \
        UNSUPPORTED_GAME_DATA_FORMAT INVALID_INPUT INVALID_GAME_NAME INVALID_ROOM_CODE INVALID_PLAYER_NAME \
        INVALID_MAX_PLAYERS MESSAGE_TOO_LARGE ROOM_NOT_FOUND ROOM_FULL ALREADY_IN_ROOM NOT_IN_ROOM \
        ROOM_CREATION_FAILED MAX_ROOMS_PER_GAME_EXCEEDED INVALID_ROOM_STATE AUTHORITY_NOT_SUPPORTED \
        AUTHORITY_CONFLICT AUTHORITY_DENIED RATE_LIMIT_EXCEEDED TOO_MANY_CONNECTIONS RECONNECTION_FAILED \
        RECONNECTION_TOKEN_INVALID RECONNECTION_EXPIRED PLAYER_ALREADY_CONNECTED SPECTATOR_NOT_ALLOWED \
        TOO_MANY_SPECTATORS NOT_A_SPECTATOR SPECTATOR_JOIN_FAILED INTERNAL_ERROR STORAGE_ERROR SERVICE_UNAVAILABLE";

    #[test]
    fn all_40_codes_are_spelt_as_clients_know_them() {
        let mut codes = std::collections::HashSet::new();
        for spelling in SPELLINGS.split_whitespace() {
            let json = format!("\"{spelling}\"");
            let code: ErrorCode = serde_json::from_str(&json).expect(spelling);
            assert_eq!(serde_json::to_string(&code).expect("writes"), json);
            codes.insert(code);
        }
        assert_eq!(codes.len(), 40);
    }

    #[test]
    fn there_is_no_41st_code() {
        let refusal = serde_json::from_str::<ErrorCode>("\"NO_SUCH_CODE\"").expect_err("unknown");
        // Serde names every variant it knows, each between backticks, and the unknown one.
        assert_eq!(refusal.to_string().matches('`').count(), 2 * 41, "{refusal}");
    }
}
