"""The rival on Python: a relay that speaks as much of the protocol as the load generator needs, and keeps no rule at all.
It has no limits, no timeouts, no pings and no compression. `broadcast` encodes a message once for all members."""

import json
import os
import uuid

import uvloop
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

RELAYED = '{"type":"GameData","data":{'
rooms = {}


async def handle(socket):
    player, room = str(uuid.uuid4()), None
    head = f'{RELAYED}"from_player":"{player}",'
    try:
        async for text in socket:
            if text.startswith(RELAYED):
                broadcast(room["members"] - {socket}, head + text[len(RELAYED) :])
                continue
            message = json.loads(text)
            if message["type"] == "JoinRoom":
                code = message["data"].get("room_code") or uuid.uuid4().hex[:6].upper()
                room = rooms.setdefault(code, {"code": code, "id": str(uuid.uuid4()), "members": set()})
                joined = {"room_id": room["id"], "room_code": code, "player_id": player}
                await socket.send(f'{{"type":"RoomJoined","data":{json.dumps(joined)}}}')
                name = message["data"]["player_name"]
                newcomer = {"type": "PlayerJoined", "data": {"player": {"id": player, "name": name}}}
                broadcast(room["members"], json.dumps(newcomer))
                room["members"].add(socket)
            elif message["type"] == "LeaveRoom":
                room = leave(socket, player, room)
                await socket.send('{"type":"RoomLeft"}')
            elif message["type"] == "Ping":
                await socket.send('{"type":"Pong"}')
    except ConnectionClosed:
        pass
    leave(socket, player, room)


def leave(socket, player, room):
    if room is not None:
        room["members"].discard(socket)
        broadcast(room["members"], f'{{"type":"PlayerLeft","data":{{"player_id":"{player}"}}}}')
        if not room["members"]:
            rooms.pop(room["code"], None)


async def main():
    without = {"compression": None, "ping_interval": None, "open_timeout": None, "max_size": None, "max_queue": None}
    server = await serve(handle, "127.0.0.1", int(os.environ["PORT"]), backlog=4096, write_limit=1 << 30, **without)
    await server.serve_forever()


uvloop.run(main())
