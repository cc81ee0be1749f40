// One WebSocket after the other: what is sent and received, with its latency.

import { socketAddress } from "../dom.js";
import { Pending, epochMilliseconds } from "./latency.js";

const PING_INTERVAL_MS = 2000;

/**
 * Events: `state`, when it opens or closes; `frame` with every message either way, before anything is done with it;
 * `message` with every message from the server.
 */
export class Connection extends EventTarget {
  #socket = null;
  #pending = new Pending();
  #pings = 0;

  /** "closed", "opening" or "open". */
  state = "closed";
  /** Why the last connection ended, if not by the user. */
  reason = "";

  /** Opens a new connection and says these messages first. */
  open(...first) {
    this.#end();
    const socket = new WebSocket(socketAddress("v2/ws"));
    this.#socket = socket;
    this.#pending = new Pending();
    this.#change("opening", "");
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#change("open", "");
      for (const { type, data } of first) this.send(type, data);
      this.send("Ping");
      this.#pings = setInterval(() => this.send("Ping"), PING_INTERVAL_MS);
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => {
      const never = this.state === "opening";
      this.#end();
      this.#change("closed", never ? "never" : `${code}${reason ? ` ${reason}` : ""}`);
    };
  }

  /** Drops the connection as a lost network would: the server is not told that the player leaves. */
  cut() {
    this.#end();
    this.#change("closed", "");
  }

  send(type, data) {
    if (this.state !== "open") return;
    const text = JSON.stringify(data === undefined ? { type } : { type, data });
    this.#socket.send(text);
    this.#pending.sent(type);
    this.#tell("frame", { sent: true, text, message: { type, data } });
  }

  #receive(text) {
    if (typeof text !== "string") return;
    const message = JSON.parse(text);
    const { type, data } = message;
    let latency = this.#pending.answeredBy(type);
    if (type === "GameData" && Number.isFinite(data.data?.sent_at)) latency = epochMilliseconds() - data.data.sent_at;
    this.#tell("frame", { sent: false, text, message, latency });
    this.#tell("message", message);
  }

  #end() {
    clearInterval(this.#pings);
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #change(state, reason) {
    this.state = state;
    this.reason = reason;
    this.#tell("state");
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
