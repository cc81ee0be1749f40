"""What must hold with three nodes and a real Redis or Valkey: the server's binary, that of Redis, and how long Redis is stopped.

Every process that this starts it ends itself, whatever happens.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import websockets

PATIENCE_SECS = 60
BREAKER_MS = 500
PASSWORD = "a password of the cluster"


class Broken(Exception):
    """A claim does not hold."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Redis:
    """A Redis or Valkey that keeps nothing on disk."""

    def __init__(self, binary, folder):
        self.binary, self.folder, self.port, self.process = binary, folder, free_port(), None

    @property
    def url(self):
        return f"redis://:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/1"

    def start(self):
        command = [self.binary, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        command += ["--requirepass", PASSWORD, "--dir", self.folder]
        log = open(os.path.join(self.folder, "redis.log"), "ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self):
        """It is gone, with everything that it knew."""
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def ask(self, *words):
        """One command; the answer as it comes, or its integer."""
        def packed(parts):
            lines = [f"*{len(parts)}"] + [line for part in parts for line in (f"${len(part.encode())}", part)]
            return ("\r\n".join(lines) + "\r\n").encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as stream:
            reader = stream.makefile("rb")
            for command in (["AUTH", PASSWORD], ["SELECT", "1"]):
                stream.sendall(packed(command))
                reader.readline()
            stream.sendall(packed(list(words)))
            line = reader.readline().decode().strip()
            return int(line[1:]) if line.startswith(":") else line


class Node:
    """A node of the cluster, or the only one."""

    def __init__(self, binary, folder, name, url=None, more=None):
        relay = {"enabled": True, "port": 0, "cb_open_ms": BREAKER_MS, "redis_url": url, **(more or {})}
        for rate in ("connections", "messages", "ip_messages", "room_messages"):
            relay[f"{rate}_per_10s"] = 0
        config = {
            "logging": {"enable_file_logging": False},
            "shards": {"count": 2, "pin": False},
            "security": {"max_connections_per_ip": 10_000},
            "relay": relay,
        }
        path = os.path.join(folder, f"{name}.json")
        with open(path, "w") as file:
            json.dump(config, file)
        self.log_path = os.path.join(folder, f"{name}.log")
        log = open(self.log_path, "wb")
        self.process = subprocess.Popen(
            [binary, "--config", path, "--port", "0", "--bind", "127.0.0.1"], stdout=log, stderr=log, cwd=folder
        )
        self.address = None

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    async def ready(self):
        async def is_ready():
            if self.process.poll() is not None:
                raise Broken(f"the server has ended:\n{self.log()}")
            if not self.address:
                found = re.search(r"relay listens on ([0-9.:]+)", self.log())
                self.address = found and found[1]
            return self.address and self.status("/readyz") == 200
        await until("a node is ready", is_ready)
        return self

    def status(self, path):
        try:
            return urllib.request.urlopen(f"http://{self.address}{path}", timeout=5).status
        except urllib.error.HTTPError as error:
            return error.code

    def metric(self, name):
        body = urllib.request.urlopen(f"http://{self.address}/metrics", timeout=5).read().decode()
        return float(re.search(rf"^{name} (.*)$", body, re.M)[1])

    def kill(self):
        self.process.kill()
        self.process.wait()

    async def enter(self, room):
        client = await websockets.connect(f"ws://{self.address}/?roomId={room}", ping_interval=None, max_queue=None)
        return client

    async def refusal(self, room):
        client = await self.enter(room)
        with contextlib.suppress(websockets.ConnectionClosed):
            raise Broken(f"it gets in: {await asyncio.wait_for(client.recv(), PATIENCE_SECS)}")
        return client.close_code, client.close_reason


async def until(what, condition):
    deadline = time.monotonic() + PATIENCE_SECS
    while True:
        try:
            if await condition():
                return
        except (OSError, urllib.error.URLError):
            pass
        if time.monotonic() > deadline:
            raise Broken(f"waited in vain: {what}")
        await asyncio.sleep(0.05)


async def hears(client, text):
    heard = await asyncio.wait_for(client.recv(), PATIENCE_SECS)
    if heard != text:
        raise Broken(f"expected {text}, heard {heard}")


async def reach_each_other(clients):
    """Each says something, and all others hear it next."""
    for number, sender in enumerate(clients):
        text = json.dumps({"type": "hello", "from": number})
        await sender.send(text)
        for client in clients:
            if client is not sender:
                await hears(client, text)


async def transcript(nodes):
    """What clients of several rooms see, wherever they are. Their ids are numbered in the order in which they appear."""
    names, seen = {}, []

    def renamed(text):
        return re.sub(r"client:[0-9a-f-]{36}", lambda id: f"client:{names.setdefault(id[0], len(names))}", text)

    for room in ("first", "srv:1:a", "third.room"):
        clients = [await nodes[at % len(nodes)].enter(room) for at in range(5)]

        async def all_hear(except_for):
            for at, client in enumerate(clients):
                if client is not None and at not in except_for:
                    heard = await asyncio.wait_for(client.recv(), PATIENCE_SECS)
                    seen.append((room, at, renamed(heard)))

        for at, client in enumerate(clients):
            for text in (
                '{"type":"offer","sdp":"v=0\\r\\n\\u00e4 ä𝄞","n":1.50e1, "list" : [ ] }',
                json.dumps({"type": f"large {at}", "data": "x" * 60_000}),
            ):
                await client.send(text)
                await all_hear([at])
            await client.send('{"no":"type"}')
            seen.append((room, at, await asyncio.wait_for(client.recv(), PATIENCE_SECS)))
        for at in (1, 3, 0):
            leaver, clients[at] = clients[at], None
            await leaver.close()
            await all_hear([])
        for client in clients:
            if client is not None:
                await client.close()
    return seen


async def main(binary, redis_binary, outage, folder, running):
    redis = Redis(redis_binary, folder)
    running.append(redis.stop)
    version = subprocess.run([redis_binary, "--version"], capture_output=True, text=True, check=True).stdout.split(" sha")[0]

    def holds(claim):
        print(f"{version}: {claim}", flush=True)

    def node(name, url=redis.url, **more):
        started = Node(binary, folder, name, url, more)
        running.append(started.kill)
        return started

    early = node("early")
    async def listens():
        early.address = (found := re.search(r"relay listens on ([0-9.:]+)", early.log())) and found[1]
        return early.address
    await until("it listens", listens)
    if (refused := await early.refusal("room")) != (1013, "Service unavailable") or early.status("/readyz") != 503:
        raise Broken(f"without Redis: {refused}")
    redis.start()
    await early.ready()
    holds("a node that starts before Redis lets nobody in, and serves when it is there")

    nodes = [early] + [await node(f"node-{number}").ready() for number in (2, 3)]
    single = await Node(binary, folder, "single").ready()
    running.append(single.kill)
    alone, together = await transcript([single]), await transcript(nodes)
    if alone != together:
        different = next(pair for pair in zip(alone, together) if pair[0] != pair[1])
        raise Broken(f"one node and three differ: {str(different)[:500]}")
    single.kill()
    holds(f"{len(alone)} messages of three nodes are those of one")

    async def is_empty():
        return redis.ask("DBSIZE") == 1 + len(nodes)
    await until("nothing of the rooms is left", is_empty)

    clients = [await nodes[at].enter("room") for at in (0, 1, 2, 0)]
    await reach_each_other(clients)
    before = nodes[0].metric("signaling_redis_unpublished_total")
    redis.stop()
    async def are_open():
        return all(other.metric("signaling_circuit_breaker_open") == 1 for other in nodes)
    await until("breakers are open", are_open)
    until_when = time.monotonic() + outage
    sent = 0
    while time.monotonic() < until_when:
        text = json.dumps({"type": "local", "number": sent})
        await clients[0].send(text)
        await hears(clients[3], text)
        sent += 1
        await asyncio.sleep(0.01)
    if (refused := await nodes[1].refusal("room")) != (1013, "Service unavailable"):
        raise Broken(f"with an open breaker: {refused}")
    async def are_counted():
        return nodes[0].metric("signaling_redis_unpublished_total") - before >= sent
    await until("messages that were not published are counted", are_counted)
    holds(f"stopped for {outage:g} s: {sent} local messages arrived, no connection was closed, newcomers were told")
    redis.start()
    for other in nodes:
        await other.ready()
    async def knows_all():
        return redis.ask("SCARD", "room:room") == 4 and redis.ask("PUBLISH", "room:room", "-") == 3
    await until("everybody is registered again", knows_all)
    await reach_each_other(clients)
    holds("it comes back empty: everybody is registered again, and messages flow")

    redis.process.send_signal(signal.SIGSTOP)
    async def are_not_ready():
        return all(other.status("/readyz") == 503 for other in nodes)
    await until("nobody is ready", are_not_ready)
    redis.process.send_signal(signal.SIGCONT)
    for other in nodes:
        await other.ready()
    await until("channels are back", knows_all)
    await reach_each_other(clients)
    holds("it stood still: nobody is ready meanwhile, and nobody is taken for dead afterwards")

    killed_at = time.monotonic()
    nodes[2].kill()
    for client in (clients[0], clients[1], clients[3]):
        heard = json.loads(await asyncio.wait_for(client.recv(), PATIENCE_SECS))
        if heard["type"] != "peer-disconnected":
            raise Broken(f"a killed node: {heard}")
    took = time.monotonic() - killed_at
    clients = [clients[0], clients[1], clients[3]]
    await reach_each_other(clients)
    if redis.ask("SCARD", "room:room") != 3:
        raise Broken("the clients of a killed node are still in their room")
    holds(f"a node was killed: its client left every room {took:.0f} s later, once")

    nodes[1].process.send_signal(signal.SIGTERM)
    nodes[1].process.wait(PATIENCE_SECS)
    for client in (clients[0], clients[2]):
        heard = json.loads(await asyncio.wait_for(client.recv(), PATIENCE_SECS))
        if heard["type"] != "peer-disconnected":
            raise Broken(f"a drain: {heard}")
    await reach_each_other([clients[0], clients[2]])
    for client in (clients[0], clients[2]):
        await client.close()
    async def one_is_left():
        return redis.ask("DBSIZE") == 2
    await until("nothing but the last node is left in Redis", one_is_left)
    holds("a drain leaves nothing behind")
    for name in os.listdir(folder):
        if name.endswith(".log") and PASSWORD in open(os.path.join(folder, name), errors="replace").read():
            raise Broken(f"{name} shows the password")


def run():
    binary, redis_binary, outage = sys.argv[1], sys.argv[2], float(sys.argv[3])
    running = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(main(binary, redis_binary, outage, folder, running))
        except Broken as broken:
            for name in sorted(os.listdir(folder)):
                if name.endswith(".log"):
                    with open(os.path.join(folder, name), errors="replace") as log:
                        print(f"--- {name}\n{log.read()[-4000:]}", file=sys.stderr)
            print(f"cluster: {broken}", file=sys.stderr)
            return 1
        finally:
            for end in reversed(running):
                end()
    return 0


sys.exit(run())
