// The dashboard: what the server sends once a second, and administration for those who have the token.

import { byId, tell } from "../dom.js";
import "./admin.js";
import { duration } from "./format.js";
import { History } from "./history.js";
import { showCharts, showShards, showTiles } from "./panels.js";
import { Unauthorized, events } from "./stream.js";
import { Token } from "./tokens.js";

const STREAM = "metrics/stream";
const RETRY_MS = 2000;

const token = new Token("metrics");
const history = new History();
const hold = byId("hold");

function showState(text, kind) {
  const state = byId("state");
  if (state.textContent === text) return;
  state.textContent = text;
  state.className = `badge ${kind}`;
}

function show() {
  const { newest } = history;
  if (!newest || hold.checked) return;
  byId("about").textContent = `version ${newest.totals.version}, up ${duration(newest.totals.uptime_seconds)}`;
  showTiles(newest);
  showCharts(history);
  showShards(newest);
}

async function follow() {
  for (;;) {
    try {
      for await (const figures of events(STREAM, token.headers)) {
        byId("access").hidden = true;
        showState("live", "good");
        history.add(figures);
        show();
      }
      showState("lost, trying again", "warn");
    } catch (error) {
      if (error instanceof Unauthorized) return askForToken();
      showState("lost, trying again", "bad");
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function askForToken() {
  showState("needs a token", "warn");
  tell(byId("access-wrong"), token.value === null ? "" : "This token does not open the metrics.");
  token.value = null;
  byId("access").hidden = false;
  byId("access-token").focus();
}

byId("access-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token.value = byId("access-token").value.trim();
  byId("access-token").value = "";
  showState("connecting", "warn");
  follow();
});
for (const id of ["percentile", "span"]) byId(id).addEventListener("change", show);
hold.addEventListener("change", show);

follow();
