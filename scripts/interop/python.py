"""Two clients of the `websockets` package: create a room, join it, exchange COUNT messages each way in order, leave."""

import asyncio
import json
import platform
import sys

import websockets

PATIENCE_SECS = 30


class Client:
    """One connection and who it is."""

    def __init__(self, name, socket):
        self.name = name
        self.socket = socket
        self.id = None

    async def send(self, kind, data=None):
        message = {"type": kind}
        if data is not None:
            message["data"] = data
        await self.socket.send(json.dumps(message))

    async def expect(self, kind):
        message = json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE_SECS))
        if message["type"] != kind:
            raise RuntimeError(f"{self.name}: expected {kind}, got {message}")
        return message.get("data")

    async def send_all(self, count):
        for number in range(count):
            await self.send("GameData", {"data": {"from": self.name, "number": number}})

    async def receive_all(self, other, count):
        for number in range(count):
            data = await self.expect("GameData")
            if data != {"from_player": other.id, "data": {"from": other.name, "number": number}}:
                raise RuntimeError(f"{self.name}: expected {number} of {other.name}, got {data}")


async def scenario(url, count):
    async with websockets.connect(url) as first, websockets.connect(url) as second:
        alice, bob = Client("Alice", first), Client("Bob", second)
        await alice.send("JoinRoom", {"game_name": "interop-python", "player_name": "Alice"})
        created = await alice.expect("RoomJoined")
        alice.id = created["player_id"]
        code = created["room_code"].lower()
        await bob.send("JoinRoom", {"game_name": "interop-python", "player_name": "Bob", "room_code": code})
        joined = await bob.expect("RoomJoined")
        bob.id = joined["player_id"]
        if joined["room_id"] != created["room_id"]:
            raise RuntimeError("not the same room")
        if (await alice.expect("PlayerJoined"))["player"]["id"] != bob.id:
            raise RuntimeError("not Bob")
        await asyncio.gather(
            alice.send_all(count),
            bob.send_all(count),
            alice.receive_all(bob, count),
            bob.receive_all(alice, count),
        )
        await bob.send("LeaveRoom")
        await bob.expect("RoomLeft")
        if await alice.expect("PlayerLeft") != {"player_id": bob.id}:
            raise RuntimeError("not Bob")
    for socket in (first, second):
        if socket.close_code != 1000:
            raise RuntimeError(f"closed with {socket.close_code}")


def main():
    url, count = sys.argv[1], int(sys.argv[2])
    try:
        asyncio.run(scenario(url, count))
    except Exception as error:  # noqa: BLE001: whatever it is, the run has failed
        print(f"websockets: FAILED: {error!r}")
        return 1
    version = websockets.__version__
    print(f"websockets {version} on Python {platform.python_version()}: ok, {count} messages each way")
    return 0


sys.exit(main())
