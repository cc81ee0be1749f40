// How long things take: from a request to its answer, and from a sender to this page.

/** Requests by the answers that end them. `Error` may answer any request but `Ping`. */
const ANSWERS = {
  Authenticated: ["Authenticate"],
  AuthenticationError: ["Authenticate"],
  RoomJoined: ["JoinRoom"],
  RoomJoinFailed: ["JoinRoom"],
  RoomLeft: ["LeaveRoom"],
  SpectatorJoined: ["JoinAsSpectator"],
  SpectatorJoinFailed: ["JoinAsSpectator"],
  SpectatorLeft: ["LeaveSpectator"],
  LobbyStateChanged: ["PlayerReady"],
  AuthorityResponse: ["AuthorityRequest"],
  Reconnected: ["Reconnect"],
  ReconnectionFailed: ["Reconnect"],
  Pong: ["Ping"],
  Error: ["Authenticate", "PlayerReady", "AuthorityRequest", "LeaveSpectator", "GameData"],
};

/** Game data has no answer; only an `Error` ends it. So it is not waited for beyond this many. */
const PENDING_MAX = 32;

/** Milliseconds since 1970, finer than `Date.now()`. */
export const epochMilliseconds = () => performance.timeOrigin + performance.now();

/** The requests of one connection that were not answered yet. */
export class Pending {
  #requests = [];

  sent(type) {
    this.#requests.push({ type, at: performance.now() });
    if (this.#requests.length > PENDING_MAX) this.#requests.shift();
  }

  /** Milliseconds since the request that this message answers; undefined if it answers none. */
  answeredBy(type) {
    const requests = ANSWERS[type] ?? [];
    const at = this.#requests.findIndex((request) => requests.includes(request.type));
    if (at < 0) return undefined;
    const [request] = this.#requests.splice(at, 1);
    return performance.now() - request.at;
  }
}

/** The last round trips. */
export class RoundTrips {
  #last = [];

  add(milliseconds) {
    this.#last.push(milliseconds);
    if (this.#last.length > 20) this.#last.shift();
  }

  get newest() {
    return this.#last.at(-1);
  }

  get median() {
    const sorted = [...this.#last].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }
}

/** For people. Two clocks may disagree by a little; no time is negative. */
export function milliseconds(value) {
  if (value === undefined) return "–";
  if (value < 0.05) return "< 0.1 ms";
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
}
