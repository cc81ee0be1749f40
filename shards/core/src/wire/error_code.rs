use serde::{Deserialize, Serialize};

/// The 40 error codes that a v2 client knows (spec 4). There is no 41st: a strict client fails to parse one.
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
