// What the dashboard shows: figures of now, charts, and a row per shard.

import { byId, element } from "../dom.js";
import { Chart } from "./chart.js";
import { bytes, milliseconds, percent, short } from "./format.js";
import { sum } from "./history.js";

const percentile = byId("percentile");
const span = byId("span");

const CHARTS = [
  {
    about: { title: "Connections", unit: "per shard", format: short, least: 10 },
    lines: (history) => history.ofShards(({ connections }) => connections),
  },
  {
    about: { title: "Rooms", unit: "per shard", format: short, least: 10 },
    lines: (history) => history.ofShards(({ rooms }) => rooms),
  },
  {
    about: { title: "Messages sent", unit: "per second and shard", format: short, least: 10 },
    lines: (history) => history.ofShards(({ sent }) => sent),
  },
  {
    about: { title: "Relay latency", unit: "of each second, per shard", format: milliseconds, least: 0.1 },
    lines: (history) => history.ofShards(({ latency }) => latency.relay?.[percentile.value]),
  },
  {
    about: { title: "Load", unit: "share of each shard's time", format: percent, least: 0.1 },
    lines: (history) => history.ofShards(({ load }) => load),
  },
  {
    about: { title: "Bytes sent", unit: "per second and shard", format: bytes, least: 1000 },
    lines: (history) => history.ofShards(({ bytes }) => bytes),
  },
  {
    about: { title: "CPU", unit: "of one core, whole process", format: percent, least: 0.1 },
    lines: (history) => history.ofProcess("process", ({ cpu }) => cpu),
  },
  {
    about: { title: "Memory", unit: "resident, whole process", format: bytes, least: 20e6 },
    lines: (history) => history.ofProcess("process", ({ process }) => process.resident_memory_bytes),
  },
  {
    about: { title: "Refusals", unit: "per second, by reason", format: short, least: 1 },
    lines: (history) => history.ofRefusals(),
  },
].map(({ about, lines }) => ({ chart: new Chart(about), lines }));

byId("charts").append(...CHARTS.map(({ chart }) => chart.element));

export function showCharts(history) {
  for (const { chart, lines } of CHARTS) chart.draw(lines(history), Number(span.value));
}

/** The figures of now. */
export function showTiles({ totals, process, latency, cpu, refused, shards }) {
  const all = (name) => sum(shards.map((shard) => shard[name]));
  const tiles = [
    ["Connections", short(totals.connections_active)],
    ["Rooms", short(totals.rooms_active)],
    ["Players", short(totals.players_active), `+ ${short(totals.spectators_active)} watch`],
    ["Received", short(all("received")), "/ s"],
    ["Sent", short(all("sent")), "/ s"],
    ["Relay median", milliseconds(latency.relay.p50_ms)],
    ["Relay 99 %", milliseconds(latency.relay.p99_ms)],
    ["CPU", percent(cpu), "of a core"],
    ["Memory", bytes(process.resident_memory_bytes)],
    ["Refused", short(refused), "since the start"],
  ];
  byId("tiles").replaceChildren(
    ...tiles.map(([name, value, more]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value, more && element("small", {}, ` ${more}`))),
    ),
  );
}

const COLUMNS = [
  ["Connections", ({ connections }) => short(connections)],
  ["Rooms", ({ rooms }) => short(rooms)],
  ["Players", ({ players }) => short(players)],
  ["Received / s", ({ received }) => short(received)],
  ["Sent / s", ({ sent }) => short(sent)],
  ["Median", ({ latency }) => milliseconds(latency.relay?.p50_ms)],
  ["99 %", ({ latency }) => milliseconds(latency.relay?.p99_ms)],
  ["Load", ({ load }) => percent(load)],
  ["Waits to be sent", ({ waiting }) => bytes(waiting)],
  ["Replays", ({ kept }) => bytes(kept)],
  ["Refused / s", ({ refused }) => short(refused)],
  ["Senders paused", ({ paused }) => short(paused)],
  ["Mail", ({ mail }) => short(mail)],
];

export function showShards({ shards }) {
  const head = element(
    "tr",
    {},
    element("th", { scope: "col" }, "Shard"),
    COLUMNS.map(([name]) => element("th", { scope: "col", className: "number" }, name)),
    element("th", { scope: "col" }, "State"),
  );
  const rows = shards.map((shard) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, String(shard.shard)),
      COLUMNS.map(([, value]) => element("td", { className: "number" }, value(shard))),
      element("td", {}, shard.isUp ? element("span", { className: "good" }, "✓ answers") : element("span", { className: "bad" }, "✗ stale")),
    ),
  );
  byId("shards").replaceChildren(element("thead", {}, head), element("tbody", {}, rows));
}
