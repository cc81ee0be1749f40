// The landing page: the address of the WebSocket, and whether the server is ready.

import { byId, copy, socketAddress } from "./dom.js";

const address = socketAddress("v2/ws");
byId("endpoint").textContent = address;
byId("example").textContent = byId("example").textContent.replace('"/v2/ws"', JSON.stringify(address));
byId("copy").addEventListener("click", ({ target }) => copy(address, target));

const state = byId("state");

async function look() {
  let text = "does not answer";
  let kind = "bad";
  try {
    const { ok } = await fetch("readyz", { cache: "no-store" });
    [text, kind] = ok ? ["ready for players", "good"] : ["shutting down", "warn"];
  } catch {
    // The text stands above.
  }
  if (state.textContent === text) return;
  state.textContent = text;
  state.className = `badge ${kind}`;
}

look();
setInterval(() => document.hidden || look(), 10_000);
