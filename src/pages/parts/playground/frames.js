// The list of all frames, newest first.

import { byId, element } from "../dom.js";
import { milliseconds } from "./latency.js";

/** Older frames are dropped. */
const FRAMES_MAX = 500;
const PREVIEW_CHARACTERS_MAX = 80;

const list = byId("frames");
const withPings = byId("with-pings");

byId("clear").addEventListener("click", () => list.replaceChildren());
withPings.addEventListener("change", showPings);
showPings();

/** Adds a frame at the top: which way it went, its text, the message in it, and its latency in milliseconds if known. */
export function addFrame({ sent, text, message, latency }) {
  const type = message.type;
  const shown = JSON.stringify(message.data ?? null, hideToken);
  const row = element(
    "details",
    { className: sent ? "sent" : "received" },
    element(
      "summary",
      {},
      element("span", { className: "time" }, timeOfDay()),
      element("span", { className: "arrow", role: "img", "aria-label": sent ? "sent" : "received" }, sent ? "▲" : "▼"),
      element(
        "span",
        { className: "type" },
        type,
        element("span", { className: "preview" }, shown === "null" ? "" : shown.slice(0, PREVIEW_CHARACTERS_MAX)),
      ),
      element("span", { className: "bytes number" }, String(new TextEncoder().encode(text).length)),
      element("span", { className: "latency number" }, sent ? "" : milliseconds(latency)),
    ),
  );
  row.classList.toggle("wrong", /Error|Failed/.test(type));
  row.classList.toggle("ping", type === "Ping" || type === "Pong");
  // The whole text is made only for frames that somebody opens.
  row.addEventListener("toggle", () => row.append(element("pre", {}, JSON.stringify(message, hideToken, 2))), { once: true });
  list.prepend(row);
  if (list.childElementCount > FRAMES_MAX) list.lastElementChild.remove();
}

function hideToken(key, value) {
  return key === "auth_token" && typeof value === "string" ? `${value.slice(0, 4)}…` : value;
}

function timeOfDay() {
  const now = new Date();
  return `${now.toLocaleTimeString("en-GB")}.${String(now.getMilliseconds()).padStart(3, "0")}`;
}

function showPings() {
  list.classList.toggle("without-pings", !withPings.checked);
}
