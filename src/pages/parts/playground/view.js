// Shows the connection, the room and the chat.

import { byId, element, tell } from "../dom.js";
import { milliseconds } from "./latency.js";
import { nameOf, ownPlayer } from "./room.js";

const LOBBY = [
  ["waiting", "waiting"],
  ["lobby", "lobby"],
  ["finalized", "started"],
];
/** Older lines of the chat are dropped. */
const LINES_MAX = 200;

const CONNECTION_KINDS = { open: "good", opening: "warn", closed: "bad" };

/** The state of the connection, and which buttons make sense now. */
export function showConnection(connection, seat, room) {
  const isOpen = connection.state === "open";
  const isClosed = connection.state === "closed";
  const state = byId("connection-state");
  state.textContent = isClosed && seat ? "cut" : connection.state;
  state.className = `badge ${CONNECTION_KINDS[connection.state]}`;
  byId("connect").hidden = !(isClosed && !seat);
  byId("cut").hidden = !isOpen;
  byId("resume").hidden = !(isClosed && seat);
  byId("forget").hidden = !(isClosed && seat);
  for (const id of ["enter", "spectate"]) byId(id).disabled = !isOpen;
  byId("entrance").hidden = room !== null || (isClosed && seat !== null);
}

export function showFigures({ sent, received, roundTrips }) {
  byId("sent").textContent = sent;
  byId("received").textContent = received;
  byId("round-trip").textContent = milliseconds(roundTrips.newest);
  byId("round-trip-median").textContent = milliseconds(roundTrips.median);
}

/** The room, or none. `isOpen`: whether the connection is open, so that the buttons work. */
export function showRoom(room, isOpen) {
  byId("room").hidden = !room;
  byId("chat").hidden = !room;
  if (!room) return;
  byId("room-code").textContent = room.code;
  byId("second-tab").href = `playground?${new URLSearchParams({ game: room.game, code: room.code })}`;
  showLobby(room.lobby);
  byId("members").replaceChildren(
    ...room.players.map((player) => playerRow(player, room.you)),
    ...room.spectators.map((spectator) => spectatorRow(spectator, room.you)),
  );
  const own = ownPlayer(room);
  const ready = byId("ready");
  const authority = byId("authority");
  ready.hidden = room.isSpectator || room.lobby === "finalized";
  authority.hidden = room.isSpectator;
  // A room of one seat has no lobby: its player may be ready at once (protocol 5).
  ready.disabled = !isOpen || !(room.lobby === "lobby" || (room.lobby === "waiting" && room.seats === 1));
  ready.textContent = own?.isReady ? "Not ready" : "Ready";
  authority.disabled = !isOpen || !room.supportsAuthority;
  authority.textContent = own?.hasAuthority ? "Release authority" : "Take authority";
  byId("leave").disabled = !isOpen;
  byId("leave").textContent = room.isSpectator ? "Stop watching" : "Leave";
  byId("say").hidden = room.isSpectator;
  byId("chat-hint").hidden = !room.isSpectator;
  for (const control of byId("say").elements) control.disabled = !isOpen;
}

function showLobby(state) {
  const now = LOBBY.findIndex(([name]) => name === state);
  byId("lobby").replaceChildren(
    ...LOBBY.map(([, text], at) =>
      element("li", { className: at < now ? "done" : "", ...(at === now ? { "aria-current": "step" } : {}) }, text),
    ),
  );
}

function playerRow({ id, name, hasAuthority, isReady, isAway }, you) {
  return element(
    "li",
    { className: isAway ? "away" : "" },
    memberName(id, name, you),
    hasAuthority && element("span", { className: "badge warn" }, "◆ authority"),
    isReady && element("span", { className: "badge good" }, "✓ ready"),
    isAway && element("span", { className: "badge quiet" }, "left"),
  );
}

function spectatorRow({ id, name }, you) {
  return element("li", {}, memberName(id, name, you), element("span", { className: "badge quiet" }, "spectator"));
}

function memberName(id, name, you) {
  return element("span", { className: id === you ? "name you" : "name" }, id === you ? `${name} (you)` : name);
}

/** A line of chat. Game data of others that is no chat is shown as its JSON. */
export function addChat(room, from, data) {
  const text = typeof data?.chat === "string" ? data.chat : JSON.stringify(data);
  addLine(
    element(
      "p",
      { className: from === room.you ? "mine" : "" },
      element("span", { className: "who" }, nameOf(room, from)),
      `: ${text}`,
    ),
  );
}

/** A line of news between the chat. */
export function addNews(text) {
  addLine(element("p", { className: "news" }, text));
}

export function clearChat() {
  byId("talk").replaceChildren();
}

function addLine(line) {
  const talk = byId("talk");
  talk.append(line);
  if (talk.childElementCount > LINES_MAX) talk.firstElementChild.remove();
  talk.scrollTop = talk.scrollHeight;
}

export const showConnectionNotice = (text) => tell(byId("connection-notice"), text);
export const showRoomNotice = (text) => tell(byId("room-notice"), text);
