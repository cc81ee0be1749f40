// What a client knows of its room, from the messages that the server sends (protocol 4). No element is touched here.

/** The room that a snapshot describes: the data of RoomJoined, Reconnected or SpectatorJoined. */
export function roomOf(data) {
  return {
    id: data.room_id,
    code: data.room_code,
    game: data.game_name,
    you: data.player_id ?? data.spectator_id,
    isSpectator: data.spectator_id !== undefined,
    /** A spectator is not told; asking for authority is for players anyway. */
    supportsAuthority: data.supports_authority ?? true,
    /** Unknown to a spectator. */
    seats: data.max_players,
    lobby: data.lobby_state,
    players: data.current_players.map(playerOf),
    spectators: data.current_spectators,
  };
}

/** The room after this message; null if it ends the stay; the same if the message changes nothing in it. */
export function after(room, { type, data }) {
  switch (type) {
    case "RoomJoined":
    case "Reconnected":
    case "SpectatorJoined":
      return roomOf(data);
    case "RoomLeft":
    case "SpectatorLeft":
      return null;
    default:
      return room && afterNews(room, type, data);
  }
}

function afterNews(room, type, data) {
  switch (type) {
    case "PlayerJoined": {
      const player = playerOf(data.player);
      // Whoever dropped and comes anew, or gives the name up to another, is not away any more.
      const others = room.players.filter(({ id, name, isAway }) => id !== player.id && !(isAway && name === player.name));
      return { ...room, players: [...others, player] };
    }
    case "PlayerLeft":
      return withPlayer(room, data.player_id, { isAway: true, isReady: false, hasAuthority: false });
    case "PlayerReconnected":
      return withPlayer(room, data.player_id, { isAway: false });
    case "AuthorityChanged":
      return withEach(room, ({ id }) => ({ hasAuthority: id === data.authority_player }));
    case "LobbyStateChanged":
      return withEach({ ...room, lobby: data.lobby_state }, ({ id }) => ({ isReady: data.ready_players.includes(id) }));
    case "NewSpectatorJoined":
    case "SpectatorDisconnected":
      return { ...room, spectators: data.current_spectators };
    default:
      return room;
  }
}

/** Name of a member, or the beginning of its id if it is not known. */
export function nameOf(room, id) {
  const members = [...(room?.players ?? []), ...(room?.spectators ?? [])];
  return members.find((member) => member.id === id)?.name ?? id.slice(0, 8);
}

/** The player that this client is; undefined for a spectator. */
export const ownPlayer = (room) => room.players.find(({ id }) => id === room.you);

function playerOf({ id, name, is_authority: hasAuthority, is_ready: isReady }) {
  return { id, name, hasAuthority, isReady, isAway: false };
}

const withPlayer = (room, id, change) => withEach(room, (player) => (player.id === id ? change : {}));

function withEach(room, change) {
  return { ...room, players: room.players.map((player) => ({ ...player, ...change(player) })) };
}
