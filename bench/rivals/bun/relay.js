// The rival on Bun: a relay that speaks as much of the protocol as the load generator needs, and keeps no rule at all.
// It has no limits, no timeouts, no pings and no backpressure. `publish` gathers the messages of a turn for each socket.
// A `send` to every member took more CPU per delivery, was no faster at 28,000 deliveries/s and fell behind at 112,000.
const relayed = '{"type":"GameData","data":{';
const rooms = new Map();
let opened = 0;

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  idleTimeout: 0,
  fetch(request, server) {
    const data = { id: crypto.randomUUID(), room: null, head: "" };
    return server.upgrade(request, { data }) ? undefined : new Response("OK");
  },
  websocket: {
    idleTimeout: 0,
    sendPings: false,
    perMessageDeflate: false,
    publishToSelf: false,
    backpressureLimit: 1 << 30,
    closeOnBackpressureLimit: false,
    message(ws, text) {
      const player = ws.data;
      if (text.startsWith(relayed)) return ws.publish(player.room.code, player.head + text.slice(relayed.length));
      const { type, data } = JSON.parse(text);
      if (type === "JoinRoom") join(ws, player, data);
      else if (type === "LeaveRoom") {
        leave(ws, player);
        ws.send('{"type":"RoomLeft"}');
      } else if (type === "Ping") ws.send('{"type":"Pong"}');
    },
    close: (ws) => leave(ws, ws.data),
  },
});

function join(ws, player, { room_code, player_name }) {
  const code = room_code ?? (opened++).toString(36).toUpperCase().padStart(6, "0");
  let room = rooms.get(code);
  if (!room) rooms.set(code, (room = { code, id: crypto.randomUUID(), size: 0 }));
  player.room = room;
  player.head = `${relayed}"from_player":"${player.id}",`;
  ws.send(`{"type":"RoomJoined","data":{"room_id":"${room.id}","room_code":"${code}","player_id":"${player.id}"}}`);
  if (room.size++ > 0) ws.publish(code, JSON.stringify({ type: "PlayerJoined", data: { player: { id: player.id, name: player_name } } }));
  ws.subscribe(code);
}

function leave(ws, { room, id }) {
  if (!room) return;
  ws.data.room = null;
  ws.unsubscribe(room.code);
  if (--room.size > 0) server.publish(room.code, `{"type":"PlayerLeft","data":{"player_id":"${id}"}}`);
  else rooms.delete(room.code);
}
