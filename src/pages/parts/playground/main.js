// The playground: one player or spectator per tab. Buttons send messages; messages change the room; the room is shown.

import { byId, copy } from "../dom.js";
import { Connection } from "./connection.js";
import { addFrame } from "./frames.js";
import { RoundTrips, epochMilliseconds } from "./latency.js";
import { after, nameOf, ownPlayer } from "./room.js";
import { readSeat, seatOf, writeSeat } from "./seat.js";
import {
  addChat, addNews, clearChat, showConnection, showConnectionNotice, showFigures, showRoom, showRoomNotice,
} from "./view.js";

const NAMES = ["Ada", "Bo", "Cleo", "Dov", "Eli", "Fay", "Gus", "Hana", "Ivo", "June", "Kai", "Lux", "Mira", "Noa"];

const connection = new Connection();
const figures = { sent: 0, received: 0, roundTrips: new RoundTrips() };
let room = null;
let seat = readSeat();

function show() {
  const focused = document.activeElement;
  showConnection(connection, seat, room);
  showRoom(room, connection.state === "open");
  showFigures(figures);
  // Whoever works by keyboard goes on where the work goes on, if what had the focus is gone.
  if (focused !== document.body && !focused.checkVisibility()) nextStep().focus();
}

function nextStep() {
  if (room && connection.state === "open") return byId(room.isSpectator ? "leave" : "text");
  if (connection.state === "open") return byId("enter");
  return byId(seat ? "resume" : "connect");
}

function setSeat(next) {
  seat = next;
  writeSeat(seat);
}

// ----- from the server

connection.addEventListener("state", () => {
  if (connection.reason === "never") {
    showConnectionNotice(
      `The server did not take the connection. If security.cors_origins is a list, ${location.origin} has to be in it.`,
    );
  } else if (connection.reason) {
    showConnectionNotice(`The server closed the connection: ${connection.reason}.`);
  } else if (connection.state === "open") {
    showConnectionNotice("");
  }
  if (connection.state === "closed") {
    if (room?.isSpectator) addNews("A spectator cannot come back; watch the room again.");
    else if (room) addNews("Your connection is cut. The others saw you leave.");
    if (!seat || room?.isSpectator) room = null;
  }
  show();
});

connection.addEventListener("frame", ({ detail }) => {
  addFrame(detail);
  figures[detail.sent ? "sent" : "received"] += 1;
  if (detail.message.type === "Pong" && detail.latency !== undefined) figures.roundTrips.add(detail.latency);
  showFigures(figures);
});

connection.addEventListener("message", ({ detail: message }) => {
  const { type, data } = message;
  const before = room;
  room = after(room, message);
  if (!before && room) {
    clearChat();
    showRoomNotice("");
  }
  const reaction = REACTIONS[type];
  if (reaction) reaction(data, before);
  if (room !== before) show();
});

/** What a message does beyond changing the room. */
const REACTIONS = {
  RoomJoined(data) {
    setSeat(seatOf(data));
    showConnectionNotice("");
    addNews(`You are in room ${data.room_code}.`);
    rememberInAddress();
  },
  Reconnected(data) {
    setSeat(seatOf(data));
    showConnectionNotice("");
    const missed = data.missed_events.length;
    addNews(`You are back. ${missed === 0 ? "Nothing was" : missed === 1 ? "1 event was" : `${missed} events were`} missed.`);
    for (const event of data.missed_events) {
      if (event.type === "GameData") addChat(room, event.data.from_player, event.data.data);
    }
  },
  SpectatorJoined(data) {
    showConnectionNotice("");
    addNews(`You watch room ${data.room_code}.`);
    rememberInAddress();
  },
  RoomLeft: () => setSeat(null),
  PlayerJoined: ({ player }) => addNews(`${player.name} joined.`),
  PlayerLeft: ({ player_id: id }, before) => addNews(`${nameOf(before, id)} left.`),
  PlayerReconnected: ({ player_id: id }) => addNews(`${nameOf(room, id)} is back.`),
  AuthorityChanged({ authority_player: id }) {
    addNews(id ? `${nameOf(room, id)} has authority.` : "Nobody has authority.");
  },
  NewSpectatorJoined: ({ spectator }) => addNews(`${spectator.name} watches.`),
  SpectatorDisconnected: ({ spectator_id: id }, before) => addNews(`${nameOf(before, id)} watches no more.`),
  GameStarting({ peer_connections: peers }) {
    const text = `The game starts with ${peers.length} ${peers.length === 1 ? "player" : "players"}.`;
    addNews(text);
    showRoomNotice(text);
  },
  GameData: ({ from_player: from, data }) => room && addChat(room, from, data),
  AuthorityResponse({ granted, reason }) {
    showRoomNotice(granted ? "" : `${reason}.`);
  },
  RoomJoinFailed: refused,
  SpectatorJoinFailed: refused,
  ReconnectionFailed(data) {
    refused(data);
    // These three never succeed later (protocol 13).
    if (["RECONNECTION_EXPIRED", "RECONNECTION_FAILED", "ROOM_NOT_FOUND"].includes(data.error_code)) {
      setSeat(null);
      room = null;
    }
    show();
  },
  AuthenticationError: ({ error, error_code: code }) => showConnectionNotice(`${error} (${code})`),
  Error({ message, error_code: code }) {
    const tellThem = room ? showRoomNotice : showConnectionNotice;
    tellThem(`${message} (${code})`);
  },
};

function refused({ reason, error_code: code }) {
  showConnectionNotice(`${reason} (${code})`);
}

/** The address of the page names the room, so that it can be sent to somebody. */
function rememberInAddress() {
  history.replaceState(null, "", `?${new URLSearchParams({ game: room.game, code: room.code })}`);
}

// ----- from the user

function connect(...first) {
  const appId = byId("app-id").value.trim();
  const authenticate = { type: "Authenticate", data: { app_id: appId, platform: "playground" } };
  connection.open(...(appId ? [authenticate] : []), ...first);
}

const click = (id, action) => byId(id).addEventListener("click", action);

click("connect", () => connect());
click("cut", () => connection.cut());
click("resume", () => {
  const { room_id, player_id, auth_token } = seat;
  connect({ type: "Reconnect", data: { room_id, player_id, auth_token } });
});
click("forget", () => {
  setSeat(null);
  room = null;
  connect();
});

const field = (id) => byId(id).value.trim();

function nameEntrance() {
  byId("enter").textContent = field("code") ? "Join the room" : "Create a room";
}
byId("code").addEventListener("input", nameEntrance);

byId("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const code = field("code");
  connection.send("JoinRoom", {
    game_name: field("game"),
    player_name: field("name"),
    max_players: Number(field("seats")),
    ...(code ? { room_code: code } : {}),
  });
});
click("spectate", () => {
  connection.send("JoinAsSpectator", {
    game_name: field("game"),
    room_code: field("code"),
    spectator_name: field("name"),
  });
});

click("copy-code", ({ target }) => copy(room.code, target));
click("ready", () => connection.send("PlayerReady"));
click("authority", () => connection.send("AuthorityRequest", { become_authority: !ownPlayer(room).hasAuthority }));
click("leave", () => connection.send(room.isSpectator ? "LeaveSpectator" : "LeaveRoom"));

byId("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const data = { chat: byId("text").value, sent_at: epochMilliseconds() };
  connection.send("GameData", { data });
  // The server sends it to everybody else.
  addChat(room, room.you, data);
  event.target.reset();
});

// ----- the beginning

const asked = new URLSearchParams(location.search);
byId("name").value = `${NAMES[Math.floor(Math.random() * NAMES.length)]}-${Math.floor(Math.random() * 90) + 10}`;
byId("game").value = asked.get("game") ?? "playground";
byId("code").value = asked.get("code") ?? seat?.code ?? "";
nameEntrance();
show();
if (!seat) connect();
