"""What must hold behind a proxy: NAME, its address, the server's address, and whether it checks and introduces itself.

The server allows one connection per client address, so that every answer tells under which address it was counted.
Clients are addresses of this machine: 127.0.0.11 and so on. The proxy itself is 127.0.0.1.
"""

import argparse
import asyncio
import json

import websockets

PATIENCE_SECS = 10
# Addresses that nobody has here.
FORGERIES = [
    [("X-Forwarded-For", "198.51.100.1")],
    [("X-Forwarded-For", "198.51.100.1, 127.0.0.1")],
    [("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "198.51.100.2")],
    [("X-Forwarded-For", "127.0.0.1")],
    [("X-Forwarded-For", "unknown, \"")],
    [("Forwarded", "for=198.51.100.1")],
    [("X-Real-IP", "198.51.100.1"), ("Forwarded", "for=\"[2001:db8::1]\";proto=https")],
]


class Broken(Exception):
    """A claim does not hold."""


class Run:
    """The proxy and the server of this run."""

    def __init__(self, name, proxy, server):
        self.name, self.proxy, self.server = name, proxy, server

    def connect(self, client, headers=()):
        host, port = self.proxy.split(":")
        return websockets.connect(
            f"ws://{self.proxy}/v2/ws",
            host=host,
            port=int(port),
            local_addr=(client, 0),
            additional_headers=websockets.Headers(headers),
            open_timeout=PATIENCE_SECS,
            proxy=None,
        )

    async def get(self, client, path="/v2/health", headers=()):
        """Asks over a connection of its own."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        request = f"GET {path} HTTP/1.1\r\nHost: play.example.org\r\nConnection: close\r\n{lines}\r\n"
        answer = await self.exchange(self.proxy, client, request.encode())
        status = status_of(answer)
        if status == 200 and not answer.endswith(b"\r\n\r\nOK"):
            raise Broken(f"not the server's answer: {answer}")
        return status

    async def exchange(self, address, client, data):
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), local_addr=(client, 0))
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), PATIENCE_SECS)
        finally:
            writer.close()


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


async def send(socket, kind, data=None):
    await socket.send(json.dumps({"type": kind} if data is None else {"type": kind, "data": data}))


async def expect(socket, kind):
    message = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_SECS))
    if message["type"] != kind:
        raise Broken(f"expected {kind}, got {message}")
    return message.get("data")


async def is_served(socket):
    await send(socket, "Ping")
    await expect(socket, "Pong")


async def is_told_too_many(run, client, headers=()):
    async with run.connect(client, headers) as socket:
        message = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_SECS))
        if message.get("data", {}).get("error_code") != "TOO_MANY_CONNECTIONS":
            raise Broken(f"{client} with {headers}: {message}")
        try:
            await asyncio.wait_for(socket.recv(), PATIENCE_SECS)
        except websockets.ConnectionClosed as closed:
            if closed.rcvd is None or closed.rcvd.code != 1008:
                raise Broken(f"{client} with {headers}: closed with {closed.rcvd}") from closed
        else:
            raise Broken(f"{client} with {headers} is told and not closed")


async def addresses_arrive(run):
    """Clients of two addresses both get in, and a second one of the same address is told TOO_MANY_CONNECTIONS."""
    async with run.connect("127.0.0.11") as first, run.connect("127.0.0.12") as second:
        await is_served(first)
        await is_served(second)
        await is_told_too_many(run, "127.0.0.11")
        await is_told_too_many(run, "127.0.0.12")
        async with run.connect("127.0.0.13") as third:
            await is_served(third)
        await is_served(first)


async def requests_are_counted_apart(run):
    """Plain requests, too, belong to their client, also where the proxy keeps its connections to the server."""
    async with run.connect("127.0.0.21") as holder:
        await is_served(holder)
        for client, status in [("127.0.0.22", 200), ("127.0.0.21", 429), ("127.0.0.23", 200), ("127.0.0.21", 429)]:
            got = await run.get(client)
            if got != status:
                raise Broken(f"{client}: expected {status}, got {got}")


async def forgeries_change_nothing(run):
    """What a client writes about its address neither frees it of its limit nor burdens somebody else."""
    async with run.connect("127.0.0.31") as holder:
        await is_served(holder)
        for headers in FORGERIES:
            await is_told_too_many(run, "127.0.0.31", headers)
            status = await run.get("127.0.0.31", headers=headers)
            if status != 429:
                raise Broken(f"{headers}: {status}")
    for number, name in enumerate(["X-Forwarded-For", "Forwarded"]):
        forger, victim = f"127.0.0.{32 + number}", f"127.0.0.{36 + number}"
        value = victim if name == "X-Forwarded-For" else f"for={victim}"
        async with run.connect(forger, [(name, value)]) as first, run.connect(victim) as second:
            await is_served(first)
            await is_served(second)
            await is_told_too_many(run, forger)


async def sessions_work(run):
    """Two players join a room, exchange messages of any size in order, and leave."""
    async with run.connect("127.0.0.41") as alice, run.connect("127.0.0.42") as bob:
        await send(alice, "JoinRoom", {"game_name": "proxies", "player_name": "Alice"})
        created = await expect(alice, "RoomJoined")
        room = {"game_name": "proxies", "player_name": "Bob", "room_code": created["room_code"]}
        await send(bob, "JoinRoom", room)
        joined = await expect(bob, "RoomJoined")
        await expect(alice, "PlayerJoined")
        for sender, receiver, player in [(alice, bob, created), (bob, alice, joined)]:
            for number in range(200):
                data = {"number": number, "filler": "x" * (number * 37 % 5000)}
                await send(sender, "GameData", {"data": data})
            for number in range(200):
                got = await expect(receiver, "GameData")
                if got["from_player"] != player["player_id"] or got["data"]["number"] != number:
                    raise Broken(f"expected {number}, got {got}")
        await send(bob, "LeaveRoom")
        await expect(bob, "RoomLeft")
        if await expect(alice, "PlayerLeft") != {"player_id": joined["player_id"]}:
            raise Broken("not Bob left")


async def ends_arrive(run):
    """A client that ends, politely or not, soon frees its address."""
    for client, polite in [("127.0.0.51", True), ("127.0.0.52", False)]:
        socket = await run.connect(client)
        await is_served(socket)
        if polite:
            await socket.close()
        else:
            socket.transport.abort()

        for _ in range(100):
            if await run.get(client) == 200:
                break
            await asyncio.sleep(0.05)
        else:
            raise Broken(f"{client} is not free again")


async def checks_are_answered(run):
    """The proxy's own checks do not put the server out of use."""
    await asyncio.sleep(1.5)
    status = await run.get("127.0.0.61")
    if status != 200:
        raise Broken(f"got {status}")


LINE = b"PROXY TCP4 198.51.100.1 127.0.0.1 4660 80\r\n"
REQUEST = b"GET /v2/health HTTP/1.1\r\nHost: play.example.org\r\nConnection: close\r\n\r\n"


async def only_the_proxy_introduces(run):
    """Past the proxy nobody names an address, and the proxy's own address does not get in without one."""
    for client, data, status in [
        ("127.0.0.71", LINE + REQUEST, 400),
        ("127.0.0.72", REQUEST, 200),
        ("127.0.0.1", REQUEST, 400),
        ("127.0.0.1", LINE + REQUEST, 200),
        ("127.0.0.1", LINE + LINE + REQUEST, 400),
    ]:
        got = status_of(await run.exchange(run.server, client, data))
        if got != status:
            raise Broken(f"{data!r} from {client}: expected {status}, got {got}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("proxy")
    parser.add_argument("server")
    parser.add_argument("--checked", action="store_true", help="the proxy checks whether the server is well")
    parser.add_argument("--proxy-protocol", action="store_true", help="the proxy speaks the PROXY protocol")
    options = parser.parse_args()
    run = Run(options.name, options.proxy, options.server)
    claims = [addresses_arrive, requests_are_counted_apart, forgeries_change_nothing, sessions_work, ends_arrive]
    if options.checked:
        claims.insert(0, checks_are_answered)
    if options.proxy_protocol:
        claims.append(only_the_proxy_introduces)
    failed = 0
    for claim in claims:
        try:
            await claim(run)
        except Exception as error:  # noqa: BLE001: whatever it is, the claim does not hold
            print(f"{run.name}: FAILED: {claim.__doc__} {error!r}")
            failed = 1
        else:
            print(f"{run.name}: {claim.__doc__}")
    return failed


raise SystemExit(asyncio.run(main()))
