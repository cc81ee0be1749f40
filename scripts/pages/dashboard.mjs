// The dashboard: under a load that starts while somebody watches, behind a token, and for administrators.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { PATIENCE_MS, press, shows, tabTo, type } from "./drive.mjs";

const ROOMS = 20;
const PLAYERS = 4;
const SECONDS = 8;

/** Watches a load from its beginning to its end. Returns the page. */
export async function watch(window, server) {
  const page = await window.newPage();
  await page.goto("/dashboard");
  await shows(page, "state", "live");
  await tile(page, "Connections", (value) => value === "0");

  const load = start(server);
  await tile(page, "Connections", (value) => value === String(ROOMS * PLAYERS));
  // Rooms of an earlier load may stand empty.
  await tile(page, "Rooms", (value) => Number(value) >= ROOMS);
  await tile(page, "Received", (value) => parseFloat(value) > 0);
  await tile(page, "Sent", (value) => parseFloat(value) > 0);
  await tile(page, "Relay 99 %", (value) => value.endsWith("ms"));
  await tile(page, "Memory", (value) => value.endsWith("MB"));
  for (const title of ["Connections", "Rooms", "Messages sent", "Relay latency", "Load", "Bytes sent"]) {
    await legend(page, title, /shard 0 [\d.]*[1-9].*shard 1 [\d.]*[1-9]/);
  }
  await legend(page, "CPU", /process [\d.]*[1-9]/);
  await garbage(server);
  await legend(page, "Refusals", /bad http/);
  await lookBack(page);
  assert.equal(await page.locator("#shards tbody tr").count(), 2);
  await shows(page, "shards", "✓ answers");

  assert.equal(await load, 0, "the load generator has found nothing wrong");
  await tile(page, "Connections", (value) => value === "0");
  return page;
}

/** A server whose metrics need a token, which is asked for and never stands in an address. */
export async function unlock(window, server, token) {
  const page = await window.newPage();
  const asked = [];
  page.on("request", (request) => asked.push(request));
  await page.goto(`${server}/dashboard`);
  await shows(page, "state", "needs a token");
  await type(page, "access-token", "not the token");
  await page.keyboard.press("Enter");
  await shows(page, "access-wrong", "This token does not open the metrics.");
  await type(page, "access-token", token);
  await page.keyboard.press("Enter");
  await shows(page, "state", "live");
  // It lasts as long as the tab.
  await page.reload();
  await shows(page, "state", "live");
  for (const request of asked) assert(!request.url().includes(token), request.url());
  await page.close();
}

/** Somebody is removed from a room and reads why; an address is banned and the ban lifted. Returns the dashboard's page. */
export async function administer(window, token) {
  const player = await window.newPage();
  await player.goto("/playground");
  await type(player, "name", "Eve");
  await press(player, "enter");
  await player.waitForSelector("#room", { state: "visible" });
  const code = await player.textContent("#room-code");

  const page = await window.newPage();
  await page.goto("/dashboard");
  await type(page, "admin-token", "not the token");
  await page.keyboard.press("Enter");
  await shows(page, "admin-notice", "This is not the admin token.");
  await type(page, "admin-token", token);
  await page.keyboard.press("Enter");
  await type(page, "rooms-code", code);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: `Show room ${code}` }).press("Enter");
  await shows(page, "room-members", "Eve");
  await type(page, "ban-address", "203.0.113.7");
  await page.keyboard.press("Enter");
  await shows(page, "bans", "203.0.113.7");
  await type(page, "kick-reason", "Be kind to the others");
  return { page, player };
}

/** The rest of it. */
export async function kick({ page, player }) {
  await page.getByRole("button", { name: "Kick Eve" }).press("Enter");
  await shows(page, "admin-notice", "Eve is removed.");
  await shows(player, "room-notice", "Be kind to the others (UNAUTHORIZED)");
  await shows(player, "connection-notice", "The server closed the connection: 1008");
  await press(player, "resume");
  await player.waitForSelector("#entrance", { state: "visible" });
  await page.getByRole("button", { name: "Lift the ban of 203.0.113.7" }).press("Enter");
  await shows(page, "bans", "None.");
  await press(page, "admin-forget");
  await page.waitForSelector("#admin-form", { state: "visible" });
}

/** By keyboard: what a chart showed some seconds ago. */
async function lookBack(page) {
  await tabTo(page, "percentile");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowLeft");
  await legend(page, "Connections", /5 s ago/);
}

/** A request that is none. */
function garbage(server) {
  const { hostname, port } = new URL(server);
  return new Promise((resolve) => {
    const socket = connect(port, hostname, () => socket.end("GARBAGE\r\n\r\n"));
    socket.resume().on("close", resolve);
  });
}

/** Runs the load generator; the promise is of its exit status. */
function start(server) {
  const flags = { url: server.replace("http", "ws"), rooms: ROOMS, players: PLAYERS, rate: 10, duration: SECONDS };
  const load = spawn(process.env.LOADTEST, ["relay", ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, `${value}`])]);
  return new Promise((resolve) => load.on("close", resolve));
}

/** Waits until the figure with this name is as it should be. */
async function tile(page, name, isRight) {
  const figure = page.locator("#tiles > div", { has: page.locator("dt", { hasText: name }) }).locator("dd");
  await until(`the figure ${name}`, () => figure.innerText(), (text) => isRight(text.split(" /")[0].trim()));
}

/** Waits until the legend of this chart matches. */
async function legend(page, title, expected) {
  const chart = page.locator("figure", { has: page.locator("h3", { hasText: title }) });
  await until(`the chart ${title}`, () => chart.locator("ul").innerText(), (text) => expected.test(text.replaceAll("\n", " ")));
}

async function until(what, read, isRight) {
  let text = "";
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
    text = await read();
    if (isRight(text)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`${what} is not as it should be: ${text}`);
}
