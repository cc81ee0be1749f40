// A whole session on the playground, by keyboard alone: two players and a spectator.

import assert from "node:assert/strict";
import { press, shows, tabTo, type } from "./drive.mjs";

/** Plays in this window. Returns the pages of both players and of the spectator. */
export async function play(window) {
  const ada = await window.newPage();
  await ada.goto("/playground");
  await refusals(ada);
  await type(ada, "name", "Ada");
  await type(ada, "code", "");
  await press(ada, "enter");
  const code = await roomCode(ada);
  await shows(ada, "lobby", "waiting");

  const bob = await secondTab(window, ada);
  assert.equal(await bob.inputValue("#code"), code);
  await type(bob, "name", "Bob");
  await press(bob, "enter");
  await shows(bob, "members", "Bob (you)");
  await shows(ada, "members", "Bob");
  await current(ada, "lobby");

  const sam = await secondTab(window, ada);
  await type(sam, "name", "Sam");
  await press(sam, "spectate");
  await shows(sam, "members", "Sam (you)");
  await shows(ada, "members", "Sam");

  await say(ada, "Hello from the first tab");
  await say(bob, "Hi Ada, shall we start?");
  for (const page of [ada, bob, sam]) {
    await shows(page, "talk", "Ada: Hello from the first tab");
    await shows(page, "talk", "Bob: Hi Ada, shall we start?");
  }

  await press(bob, "authority");
  await shows(bob, "room-notice", "Another player already has authority.");
  await press(ada, "authority");
  await shows(bob, "talk", "Nobody has authority.");
  await press(bob, "authority");
  await badge(ada, "Bob", "authority");

  await press(ada, "ready");
  await badge(bob, "Ada", "ready");
  await press(bob, "ready");
  for (const page of [ada, bob, sam]) await current(page, "started");

  await cutAndResume(ada, bob);
  await reloadAndResume(ada, bob);
  await frames(ada, bob);
  return { ada, bob, sam };
}

/** Everybody goes. */
export async function end({ ada, bob, sam }) {
  await press(sam, "leave");
  await shows(ada, "talk", "Sam watches no more.");
  await press(bob, "leave");
  await shows(ada, "talk", "Bob left.");
  await press(ada, "leave");
  for (const page of [ada, bob, sam]) await page.waitForSelector("#entrance", { state: "visible" });
}

/** What the server refuses is told. */
async function refusals(page) {
  await type(page, "code", "NOWAY");
  await press(page, "spectate");
  await shows(page, "connection-notice", "Room not found (ROOM_NOT_FOUND)");
  await type(page, "name", "?");
  await press(page, "enter");
  await shows(page, "connection-notice", "INVALID_PLAYER_NAME");
}

async function cutAndResume(ada, bob) {
  await press(bob, "cut");
  await shows(bob, "connection-state", "cut");
  await shows(ada, "talk", "Bob left.");
  await say(ada, "Where are you?");
  await press(bob, "resume");
  await shows(bob, "talk", "You are back.");
  await shows(bob, "talk", "Ada: Where are you?");
  await shows(ada, "talk", "Bob is back.");
  await badge(bob, "Bob", "authority");
}

/** A page that is loaded again has lost everything but its seat. */
async function reloadAndResume(ada, bob) {
  await bob.reload();
  await press(bob, "resume");
  await shows(bob, "members", "Ada");
  await say(bob, "I am here");
  await shows(ada, "talk", "Bob: I am here");
}

/** Every frame is listed, answers and game data with their latency; no token is shown. */
async function frames(ada, bob) {
  const seen = await ada.locator("#frames .received .type").allTextContents();
  for (const name of ["RoomJoined", "PlayerJoined", "LobbyStateChanged", "GameData", "NewSpectatorJoined", "AuthorityResponse",
    "AuthorityChanged", "GameStarting", "PlayerLeft", "PlayerReconnected", "SpectatorJoinFailed", "RoomJoinFailed"]) {
    assert(seen.some((text) => text.startsWith(name)), `no frame ${name} among ${seen}`);
  }
  for (const name of ["RoomJoined", "GameData", "AuthorityResponse"]) {
    const frame = ada.locator("#frames .received", { has: ada.locator(".type", { hasText: name }) }).first();
    assert.match(await frame.locator(".latency").textContent(), /ms$/, name);
  }
  await shows(ada, "round-trip-median", "ms");
  await tabTo(bob, "frames");
  await bob.keyboard.press("Tab");
  await bob.keyboard.press("Enter");
  await bob.waitForSelector("#frames details[open] pre");
  const reconnected = bob.locator("#frames .received", { hasText: "Reconnected" }).first();
  await reconnected.locator("summary").click();
  assert.match(await reconnected.locator("pre").textContent(), /"auth_token": "[0-9a-f]{4}…"/);
}

async function roomCode(page) {
  await page.waitForSelector("#room", { state: "visible" });
  const code = await page.textContent("#room-code");
  assert.match(code, /^[0-9A-Z]{6}$/);
  return code;
}

async function secondTab(window, page) {
  const opened = window.waitForEvent("page");
  await press(page, "second-tab");
  const tab = await opened;
  await tab.waitForLoadState();
  return tab;
}

async function say(page, text) {
  await type(page, "text", text);
  await page.keyboard.press("Enter");
}

/** Waits until the lobby is in this state. */
async function current(page, state) {
  await page.locator("#lobby [aria-current]", { hasText: state }).waitFor();
}

/** Waits until this member has this badge. */
async function badge(page, name, text) {
  await page.locator("#members li", { hasText: name }).locator(".badge", { hasText: text }).waitFor();
}
