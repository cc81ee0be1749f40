// Administration: rooms and their members, kicks and bans, for whoever has the admin token (protocol 1).

import { byId, element, tell } from "../dom.js";
import { duration, short } from "./format.js";
import { Token } from "./tokens.js";

const ROOMS_PER_PAGE = 20;

const token = new Token("admin");
/** Where the pages begin that were turned over, the shown one last; the first has no mark. */
let pages = [""];
/** Id of the room that is shown, or null. */
let shown = null;

// ----- asking

/** The server said no. The message says why, for people. */
class Refused extends Error {}

/** Asks the server and returns its answer. What has no value in the query is left out. */
async function ask(method, path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "");
  const search = given.length > 0 ? `?${new URLSearchParams(given)}` : "";
  let answer;
  try {
    answer = await fetch(`admin/${path}${search}`, { method, headers: token.headers, cache: "no-store" });
  } catch {
    throw new Refused("The server does not answer.");
  }
  if (answer.status === 401) {
    leave();
    throw new Refused("This is not the admin token.");
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  // Without a token in its configuration the server knows no such path.
  if (answer.status === 404 && body.paths) throw new Refused("This server has no security.admin_token.");
  throw new Refused(body.error ?? `The server answers ${answer.status}.`);
}

/** Does something, and tells how it went. */
async function attempt(action, done = "") {
  try {
    await action();
    tell(byId("admin-notice"), done);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    tell(byId("admin-notice"), error.message);
  }
}

/** A button that does something, and tells when it is done. */
function actionButton(text, label, done, action) {
  const button = element("button", { type: "button", className: "risky", "aria-label": label }, text);
  button.addEventListener("click", () => attempt(action, done));
  return button;
}

// ----- coming and going

async function enter() {
  await showRooms();
  await showBans();
  show(true);
}

function leave() {
  token.value = null;
  shown = null;
  show(false);
}

function show(isInside) {
  for (const id of ["admin", "admin-refresh", "admin-forget"]) byId(id).hidden = !isInside;
  byId("admin-form").hidden = isInside;
  byId("room").hidden = shown === null;
}

// ----- rooms

async function showRooms() {
  const { rooms, next, without_reply: silent } = await ask("GET", "rooms", {
    game: byId("rooms-game").value.trim(),
    code: byId("rooms-code").value.trim(),
    limit: ROOMS_PER_PAGE,
    after: pages.at(-1),
  });
  const head = element(
    "tr",
    {},
    ["Code", "Game", "State"].map((name) => element("th", { scope: "col" }, name)),
    ["Players", "Watch", "Messages / s", "Age"].map((name) => element("th", { scope: "col", className: "number" }, name)),
  );
  const rows = rooms.map((room) => roomRow(room));
  if (rows.length === 0) rows.push(element("tr", {}, element("td", { colSpan: 7 }, "No rooms.")));
  if (silent.length > 0) rows.push(element("tr", {}, element("td", { colSpan: 7 }, `Missing: those of the shards ${silent}.`)));
  byId("rooms").replaceChildren(element("thead", {}, head), element("tbody", {}, rows));
  byId("rooms-back").disabled = pages.length === 1;
  byId("rooms-on").disabled = next === null;
  byId("rooms-on").value = next ?? "";
}

function roomRow(room) {
  const open = element("button", { type: "button", className: "plain mono", "aria-label": `Show room ${room.room_code}` }, room.room_code);
  open.addEventListener("click", () => {
    shown = room.room_id;
    attempt(showRoom);
  });
  const figures = [`${room.players} / ${room.max_players}`, room.spectators, short(room.messages_per_second), duration(room.age_seconds)];
  return element(
    "tr",
    {},
    element("td", {}, open),
    element("td", {}, room.game_name),
    element("td", {}, room.lobby_state),
    figures.map((figure) => element("td", { className: "number" }, String(figure))),
  );
}

async function showRoom() {
  let room;
  try {
    room = await ask("GET", `rooms/${shown}`);
  } catch (error) {
    shown = null;
    throw error;
  } finally {
    byId("room").hidden = shown === null;
  }
  byId("room-title").textContent = `Room ${room.room_code}`;
  byId("room-about").textContent =
    `${room.game_name}, ${room.lobby_state}, ${short(room.messages)} messages, the last ${duration(room.silent_seconds)} ago` +
    (room.app_id ? `, app ${room.app_id}` : "");
  byId("room-members").replaceChildren(...room.members.map(memberRow));
}

function memberRow({ player_id: id, player_name: name, role, is_authority: hasAuthority, is_ready: isReady, address }) {
  const kick = actionButton("Kick", `Kick ${name}`, `${name} is removed.`, async () => {
    await ask("DELETE", `rooms/${shown}/players/${id}`, { reason: byId("kick-reason").value.trim() });
    await showRoom();
    await showRooms();
  });
  const ban = element("button", { type: "button", "aria-label": `Ban the address of ${name}` }, "Ban …");
  ban.addEventListener("click", () => {
    byId("ban-address").value = address;
    byId("ban-seconds").focus();
  });
  return element(
    "li",
    {},
    element("span", { className: "name" }, name, " ", element("span", { className: "quiet small mono" }, address ?? "away")),
    role === "spectator" && element("span", { className: "badge quiet" }, "spectator"),
    hasAuthority && element("span", { className: "badge warn" }, "◆ authority"),
    isReady && element("span", { className: "badge good" }, "✓ ready"),
    address && ban,
    kick,
  );
}

// ----- bans

async function showBans() {
  const { bans } = await ask("GET", "bans");
  const rows = bans.map(({ address, seconds_left: left }) =>
    element(
      "li",
      {},
      element("span", { className: "name mono" }, address),
      element("span", { className: "quiet small" }, `${duration(left)} left`),
      actionButton("Lift", `Lift the ban of ${address}`, `${address} may come back.`, async () => {
        await ask("DELETE", `bans/${address}`);
        await showBans();
      }),
    ),
  );
  byId("bans").replaceChildren(...(rows.length > 0 ? rows : [element("li", { className: "quiet" }, "None.")]));
}

// ----- from the user

byId("admin-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token.value = byId("admin-token").value.trim();
  event.target.reset();
  attempt(enter);
});
byId("admin-forget").addEventListener("click", leave);
byId("admin-refresh").addEventListener("click", () =>
  attempt(async () => {
    await enter();
    if (shown) await showRoom();
  }),
);
byId("rooms-filter").addEventListener("submit", (event) => {
  event.preventDefault();
  pages = [""];
  attempt(showRooms);
});
byId("rooms-on").addEventListener("click", ({ target }) => {
  pages.push(target.value);
  attempt(showRooms);
});
byId("rooms-back").addEventListener("click", () => {
  pages.pop();
  attempt(showRooms);
});
byId("room-close").addEventListener("click", () =>
  attempt(async () => {
    await ask("DELETE", `rooms/${shown}`);
    shown = null;
    byId("room").hidden = true;
    await showRooms();
  }, "The room is closed."),
);
byId("ban-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const address = byId("ban-address").value.trim();
  attempt(async () => {
    // The colons of IPv6 stay: the server takes the path as it comes.
    await ask("PUT", `bans/${encodeURIComponent(address).replaceAll("%3A", ":")}`, { seconds: byId("ban-seconds").value });
    await showBans();
  }, `${address} is banned.`);
});

if (token.value !== null) attempt(enter);
