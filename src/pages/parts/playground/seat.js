// The seat to come back to. It is kept for this tab alone, and until the tab is closed, because its token is a secret.

const KEY = "seat";

/** The seat of this tab, or null: `room_id`, `player_id` and `auth_token`, as Reconnect wants them, and the room's `code`. */
export function readSeat() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}

/** Keeps the seat; null forgets it. */
export function writeSeat(seat) {
  try {
    if (seat) sessionStorage.setItem(KEY, JSON.stringify(seat));
    else sessionStorage.removeItem(KEY);
  } catch {
    // Without storage a reload loses the seat. The open page goes on.
  }
}

/** The seat that RoomJoined or Reconnected grants; null if the server grants no way back. */
export function seatOf({ room_id, player_id, auth_token, room_code }) {
  return auth_token ? { room_id, player_id, auth_token, code: room_code } : null;
}
