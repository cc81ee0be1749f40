// The client of the README, opened from disk in two tabs: they meet in a room and hear each other.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** A copy of the file that talks to this server. */
function copy(server) {
  const html = readFileSync("docs/clients/chat.html", "utf8");
  const [usual, address] = ["ws://127.0.0.1:3536", server.replace("http", "ws")];
  assert(html.includes(usual), "docs/clients/chat.html names the server");
  const file = `${process.env.PAGES_MODULES}/chat.html`;
  writeFileSync(file, html.replace(usual, address));
  return pathToFileURL(file);
}

export async function chat(window, server) {
  const [ada, bob] = [await window.newPage(), await window.newPage()];
  const hears = (page, text) => page.locator("#log", { hasText: text }).waitFor();
  await ada.goto(copy(server).href);
  await hears(ada, "open this address in a second tab");
  await bob.goto(ada.url());
  await hears(bob, "open this address in a second tab");
  await bob.fill("#line", "Good evening");
  await bob.press("#line", "Enter");
  await hears(ada, ": Good evening");
  await ada.fill("#line", "And to you");
  await ada.press("#line", "Enter");
  await hears(bob, ": And to you");
  assert.equal(await ada.inputValue("#line"), "", "what was said is gone from the field");
}
