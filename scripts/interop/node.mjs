// Two clients of the `ws` package: create a room, join it, exchange COUNT messages each way in order, leave.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.INTEROP_MODULES}/`);
const WebSocket = require("ws");

const [url, countText] = process.argv.slice(2);
const count = Number(countText);
const PATIENCE_MS = 30_000;

class Client {
  constructor(name) {
    this.name = name;
    this.unread = [];
    this.waiting = null;
    this.ended = null;
  }

  connect() {
    return new Promise((resolve, reject) => {
      this.socket = new WebSocket(url);
      this.socket.on("open", resolve);
      this.socket.on("error", reject);
      this.socket.on("message", (data) => {
        this.unread.push(JSON.parse(data.toString()));
        this.waiting?.();
      });
      this.socket.on("close", (code) => {
        this.ended = code;
        this.waiting?.();
      });
    });
  }

  send(type, data) {
    this.socket.send(JSON.stringify({ type, data }));
  }

  async next() {
    const deadline = Date.now() + PATIENCE_MS;
    while (this.unread.length === 0) {
      if (this.ended !== null) throw new Error(`${this.name}: closed with ${this.ended}`);
      if (Date.now() > deadline) throw new Error(`${this.name}: nothing arrived`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now());
        this.waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.waiting = null;
    }
    return this.unread.shift();
  }

  async expect(type) {
    const message = await this.next();
    if (message.type !== type) throw new Error(`${this.name}: expected ${type}, got ${JSON.stringify(message)}`);
    return message.data;
  }

  async exchange(other) {
    for (let number = 0; number < count; number += 1) this.send("GameData", { data: { from: this.name, number } });
    for (let number = 0; number < count; number += 1) {
      const { from_player, data } = await this.expect("GameData");
      if (from_player !== other.id || data.from !== other.name || data.number !== number) {
        throw new Error(`${this.name}: expected ${number} of ${other.name}, got ${JSON.stringify(data)}`);
      }
    }
  }

  close() {
    return new Promise((resolve) => {
      this.socket.on("close", resolve);
      this.socket.close(1000);
    });
  }
}

async function main() {
  const alice = new Client("Alice");
  const bob = new Client("Bob");
  await Promise.all([alice.connect(), bob.connect()]);
  alice.send("JoinRoom", { game_name: "interop-node", player_name: "Alice" });
  const created = await alice.expect("RoomJoined");
  alice.id = created.player_id;
  bob.send("JoinRoom", { game_name: "interop-node", player_name: "Bob", room_code: created.room_code.toLowerCase() });
  const joined = await bob.expect("RoomJoined");
  bob.id = joined.player_id;
  if (joined.room_id !== created.room_id) throw new Error("not the same room");
  if ((await alice.expect("PlayerJoined")).player.id !== bob.id) throw new Error("not Bob");
  await Promise.all([alice.exchange(bob), bob.exchange(alice)]);
  bob.send("LeaveRoom");
  await bob.expect("RoomLeft");
  if ((await alice.expect("PlayerLeft")).player_id !== bob.id) throw new Error("not Bob");
  const codes = await Promise.all([alice.close(), bob.close()]);
  if (codes.some((code) => code !== 1000)) throw new Error(`closed with ${codes}`);
}

main().then(
  () => {
    const { version } = require("ws/package.json");
    console.log(`ws ${version} on Node ${process.versions.node}: ok, ${count} messages each way`);
    process.exit(0);
  },
  (error) => {
    console.log(`ws: FAILED: ${error.message}`);
    process.exit(1);
  },
);
