// The rival on Node: a relay that speaks as much of the protocol as the load generator needs, and keeps no rule at all.
// It has no limits, no timeouts, no pings and no compression. A message is encoded once for all members of its room.
import { randomUUID } from "node:crypto";
import { WebSocketServer } from "ws";

const relayed = '{"type":"GameData","data":{';
const rooms = new Map();
let opened = 0;

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.env.PORT),
  backlog: 4096,
  clientTracking: false,
  perMessageDeflate: false,
});
server.on("connection", (ws) => {
  const player = { id: randomUUID(), room: null, head: "" };
  ws.on("error", () => {});
  ws.on("close", () => leave(ws, player));
  ws.on("message", (bytes) => {
    const text = bytes.toString();
    if (text.startsWith(relayed)) return publish(player.room, player.head + text.slice(relayed.length), ws);
    const { type, data } = JSON.parse(text);
    if (type === "JoinRoom") join(ws, player, data);
    else if (type === "LeaveRoom") {
      leave(ws, player);
      ws.send('{"type":"RoomLeft"}');
    } else if (type === "Ping") ws.send('{"type":"Pong"}');
  });
});

function publish(room, text, except) {
  const bytes = Buffer.from(text);
  for (const member of room.members) if (member !== except) member.send(bytes, { binary: false });
}

function join(ws, player, { room_code, player_name }) {
  const code = room_code ?? (opened++).toString(36).toUpperCase().padStart(6, "0");
  let room = rooms.get(code);
  if (!room) rooms.set(code, (room = { code, id: randomUUID(), members: new Set() }));
  player.room = room;
  player.head = `${relayed}"from_player":"${player.id}",`;
  ws.send(`{"type":"RoomJoined","data":{"room_id":"${room.id}","room_code":"${code}","player_id":"${player.id}"}}`);
  publish(room, JSON.stringify({ type: "PlayerJoined", data: { player: { id: player.id, name: player_name } } }));
  room.members.add(ws);
}

function leave(ws, player) {
  const { room } = player;
  if (!room) return;
  player.room = null;
  room.members.delete(ws);
  if (room.members.size > 0) publish(room, `{"type":"PlayerLeft","data":{"player_id":"${player.id}"}}`);
  else rooms.delete(room.code);
}
