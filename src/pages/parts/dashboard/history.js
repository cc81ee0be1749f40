// The last quarter of an hour, from what the server sends once a second. No element is touched here.

/** Seconds that are kept. */
const SECONDS_MAX = 900;

/** More shards than this are shown as the lowest, the middle and the highest. */
const LINES_MAX = 8;

/** What is known of each shard at one moment: a figure as it is, or how much a counter grew in a second. */
const GAUGES = { connections: "connections", rooms: "rooms", players: "players", waiting: "outbox_bytes", kept: "replay_bytes", paused: "senders_paused", mail: "mailbox_depth" };
const RATES = { received: "messages_in_total", sent: "messages_out_total", bytes: "bytes_out_total", load: "busy_seconds_total", refused: "refusals_total" };

export class History {
  #samples = [];
  #before = null;

  /** Takes what the server sent. */
  add(figures) {
    const now = figures.totals.uptime_seconds;
    // The server was started anew.
    if (this.#before && now < this.#before.totals.uptime_seconds) {
      this.#samples = [];
      this.#before = null;
    }
    if (this.#before && now > this.#before.totals.uptime_seconds) {
      this.#samples.push(sample(figures, this.#before));
      if (this.#samples.length > SECONDS_MAX) this.#samples.shift();
    }
    this.#before = figures;
  }

  /** The newest moment; undefined while there is none. */
  get newest() {
    return this.#samples.at(-1);
  }

  /** One line of a figure of the whole process. */
  ofProcess(name, figure) {
    return [{ name, values: this.#samples.map(figure) }];
  }

  /** A line per shard, or three if there are many. */
  ofShards(figure) {
    const shards = this.newest?.shards.length ?? 0;
    if (shards > LINES_MAX) {
      return [
        ["highest", 1],
        ["middle", 0.5],
        ["lowest", 0],
      ].map(([name, share]) => ({ name, values: this.#samples.map(({ shards }) => ranked(shards.map(figure), share)) }));
    }
    return Array.from({ length: shards }, (_, at) => ({
      name: `shard ${at}`,
      values: this.#samples.map(({ shards }) => shards[at] && figure(shards[at])),
    }));
  }

  /** A line per reason for which anything was refused in this time. */
  ofRefusals() {
    const reasons = new Set(this.#samples.flatMap(({ refusals }) => Object.keys(refusals)));
    return [...reasons].slice(0, LINES_MAX).map((reason) => ({
      name: reason.replaceAll("_", " "),
      values: this.#samples.map(({ refusals }) => refusals[reason] ?? 0),
    }));
  }
}

function sample(figures, before) {
  const seconds = figures.totals.uptime_seconds - before.totals.uptime_seconds;
  const rate = (now, then) => Math.max(0, now - then) / seconds;
  return {
    totals: figures.totals,
    process: figures.process,
    latency: figures.recent.latency,
    cpu: rate(figures.process.cpu_seconds_total, before.process.cpu_seconds_total),
    refusals: rates(figures.refusals, before.refusals, rate),
    refused: sum(figures.refusals),
    shards: figures.shards.map((shard, at) => shardSample(shard, before.shards[at], rate)),
  };
}

function shardSample(shard, before, rate) {
  const known = { shard: shard.shard, isUp: shard.up === 1, latency: shard.recent?.latency ?? {} };
  for (const [name, key] of Object.entries(GAUGES)) known[name] = shard[key];
  for (const [name, key] of Object.entries(RATES)) {
    // A shard that has never answered has no figures.
    if (shard[key] !== undefined && before?.[key] !== undefined) known[name] = rate(shard[key], before[key]);
  }
  return known;
}

/** How much each of these counters grew in a second, without those that did not. */
function rates(now, then, rate) {
  const grown = Object.entries(now).map(([name, value]) => [name, rate(value, then[name] ?? 0)]);
  return Object.fromEntries(grown.filter(([, value]) => value > 0));
}

export const sum = (values) => Object.values(values).reduce((all, value) => all + (value ?? 0), 0);

function ranked(values, share) {
  const sorted = values.filter((value) => value !== undefined && value !== null).sort((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * share)];
}
