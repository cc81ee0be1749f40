#!/usr/bin/env python3
"""Clients that misbehave, for scripts/soak.sh. Standard library only.

Every attack has a thread and an address of its own (127.0.0.x), repeats itself with a fixed period, and is bounded in rate
and count. Everything stops by itself after the seconds given. The report tells what was done and what the server did about
it. An answer that the protocol does not allow for is "unexpected", and ends the program with 1.
"""

import argparse
import collections
import json
import random
import select
import socket
import struct
import sys
import threading
import time

PATH = "/v2/ws"
FIN, CONTINUATION, TEXT, CLOSE, PING, PONG = 0x80, 0x0, 0x1, 0x8, 0x9, 0xA
# Sockets that one attack opens in its life; with the addresses below all of them stay under 20,000 descriptors at a time.
SOCKETS_MAX = 100_000


def head(host):
    return (
        f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def frame(opcode, payload, fin=FIN):
    """A client's frame. Its mask is zero, so the payload goes as it is."""
    first, length = bytes([fin | opcode]), len(payload)
    if length < 126:
        size = bytes([0x80 | length])
    elif length < 1 << 16:
        size = b"\xfe" + struct.pack(">H", length)
    else:
        size = b"\xff" + struct.pack(">Q", length)
    return first + size + b"\0\0\0\0" + payload


def message(kind, **data):
    return frame(TEXT, json.dumps({"type": kind, "data": data}, separators=(",", ":")).encode())


class Ended(Exception):
    """The server ended the connection."""


class Peer:
    """A connection that does what no client should."""

    def __init__(self, target, source, receive_buffer=None, timeout=10.0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.buffer = bytearray()
        self.closed_with = None
        try:
            if receive_buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.settimeout(timeout)
            self.socket.bind((source, 0))
            self.socket.connect(target)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.socket.close()
            raise
        self.target = target

    def send(self, data):
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise Ended(str(error)) from error

    def fill(self):
        try:
            data = self.socket.recv(1 << 18)
        except TimeoutError:
            raise
        except OSError as error:
            raise Ended(str(error)) from error
        if not data:
            raise Ended("end of stream")
        self.buffer += data

    def answer(self):
        """The status of an HTTP answer; its head is taken."""
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            self.fill()
        status = int(self.buffer[9:12])
        del self.buffer[: end + 4]
        return status

    def upgrade(self):
        self.send(head("soak"))
        status = self.answer()
        if status != 101:
            raise Ended(f"status {status}")
        return self

    def buffered(self):
        """The next frame that is there already: opcode and payload."""
        if len(self.buffer) < 2:
            return None
        length, at = self.buffer[1] & 0x7F, 2
        if length == 126:
            at = 4
        elif length == 127:
            at = 10
        if len(self.buffer) < at:
            return None
        if at > 2:
            length = int.from_bytes(self.buffer[2:at], "big")
        if len(self.buffer) < at + length:
            return None
        opcode, payload = self.buffer[0] & 0xF, bytes(self.buffer[at : at + length])
        del self.buffer[: at + length]
        return opcode, payload

    def frame(self):
        while (found := self.buffered()) is None:
            self.fill()
        return found

    def until(self, kind):
        """Reads up to a message of this type."""
        while True:
            opcode, payload = self.frame()
            if opcode == CLOSE:
                raise Ended(f"close {close_code(payload)}")
            if opcode == TEXT:
                read = json.loads(payload)
                if read["type"] == kind:
                    return read["data"] if "data" in read else {}
                if read["type"] in ("Error", "RoomJoinFailed"):
                    raise Ended(payload.decode())

    def join(self, game, code=None, seats=8):
        data = {"game_name": game, "player_name": f"P{random.randrange(1 << 40):x}", "max_players": seats}
        if code:
            data["room_code"] = code
        self.send(message("JoinRoom", **data))
        return self.until("RoomJoined")

    def to_the_end(self, seconds):
        """Reads until the server has ended the connection; the code of its close frame, `None` without one."""
        deadline = time.monotonic() + seconds
        self.socket.settimeout(max(seconds, 0.1))
        while time.monotonic() < deadline:
            while (found := self.buffered()) is not None:
                if found[0] == CLOSE:
                    self.closed_with = close_code(found[1])
            try:
                self.fill()
            except Ended:
                # What arrived last was looked at before.
                return self.closed_with
        raise TimeoutError("the server did not end the connection")

    def close(self, reset=False):
        if reset and self.socket.fileno() >= 0:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def close_code(payload):
    return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 0


def ready(connection, seconds, write=False):
    """Whether it can be read and written without waiting. Unlike `select`, `poll` takes any descriptor."""
    poll = select.poll()
    poll.register(connection, select.POLLIN | (select.POLLOUT if write else 0))
    events = sum(found for _, found in poll.poll(seconds * 1000))
    return bool(events & ~select.POLLOUT), bool(events & select.POLLOUT)


class Attack:
    """One kind of attack: it repeats `once` every `period` seconds until the end."""

    period = 5.0

    def __init__(self, arguments, source):
        self.target = (arguments.host, arguments.port)
        self.limit = arguments.per_address
        self.source = source
        self.end = time.monotonic() + arguments.seconds
        self.counts = collections.Counter()
        self.unexpected = collections.Counter()
        self.opened = 0
        self.name = type(self).__name__
        self.cycle = 0

    def peer(self, **options):
        self.opened += 1
        if self.opened > SOCKETS_MAX:
            raise Ended("enough")
        return Peer(self.target, self.source, **options)

    def over(self):
        return time.monotonic() >= self.end or self.opened >= SOCKETS_MAX

    def expect(self, held, what):
        if not held:
            self.unexpected[what] += 1

    def run(self):
        while not self.over():
            begin = time.monotonic()
            self.cycle += 1
            try:
                self.once()
            except (Ended, OSError) as error:
                # TimeoutError is an OSError, and so is a connection refused.
                self.unexpected[f"{type(error).__name__}: {error}"[:160]] += 1
            except Exception as error:  # A fault here must not look like a quiet server.
                self.unexpected[f"fault of this program: {error!r}"[:160]] += 1
            self.counts["cycles"] += 1
            time.sleep(max(0.0, min(begin + self.period, self.end) - time.monotonic()))


class SlowReaders(Attack):
    """Members with small buffers that never read, while a member of their room sends without pause (1013)."""

    period = 8.0

    def once(self):
        peers = []
        try:
            sender = self.peer().upgrade()
            peers.append(sender)
            code = sender.join("soak-slow")["room_code"]
            readers = []
            for _ in range(4):
                reader = self.peer(receive_buffer=4096).upgrade()
                peers.append(reader)
                reader.join("soak-slow", code)
                readers.append(reader)
            data = message("GameData", data="x" * 32_000)
            # 8 MiB for each reader in 4 s; the kernel's buffers take at most about half of that.
            for _ in range(256):
                sender.send(data)
                self.counts["messages"] += 1
                if self.over():
                    return
                time.sleep(1 / 64)
                drop_all(sender)
            for reader in readers:
                try:
                    code = reader.to_the_end(10)
                    self.counts["closed with 1013" if code == 1013 else "closed without a word"] += 1
                except TimeoutError:
                    self.unexpected["a slow reader was not closed"] += 1
        finally:
            for at, peer in enumerate(peers):
                peer.close(reset=at % 2 == 0)


def drop_all(peer):
    """Reads what is there and forgets it."""
    while ready(peer.socket, 0)[0]:
        peer.fill()
    peer.buffer.clear()


class SlowHeads(Attack):
    """Heads that come byte by byte and never end (408 after ten seconds)."""

    period = 15.0

    def once(self):
        peers = [self.peer() for _ in range(20)]
        text = head("drip")[:100]
        try:
            for at in range(40):
                if self.over():
                    return
                for peer in list(peers):
                    try:
                        peer.send(text[at : at + 1])
                        self.counts["bytes"] += 1
                        if ready(peer.socket, 0)[0]:
                            status = peer.answer()
                            self.counts[f"status {status}"] += 1
                            self.expect(status == 408, f"status {status}")
                            peers.remove(peer)
                            peer.close()
                    except Ended:
                        self.counts["closed"] += 1
                        peers.remove(peer)
                        peer.close()
                time.sleep(0.3)
            self.expect(not peers, "a head that never ends was kept")
        finally:
            for peer in peers:
                peer.close(reset=True)


class SlowFrames(Attack):
    """Frames that come byte by byte: some are complete in time and are answered, the others are not (1008)."""

    period = 15.0

    def once(self):
        peers = [self.peer().upgrade() for _ in range(20)]
        ping = message("Ping")
        long = frame(TEXT, b" " * 200)
        try:
            for at in range(len(ping)):
                for number, peer in enumerate(peers):
                    peer.send((ping if number % 2 == 0 else long)[at : at + 1])
                    self.counts["bytes"] += 1
                if self.over():
                    return
                time.sleep(0.1)
            for number, peer in enumerate(peers):
                if number % 2 == 0:
                    peer.until("Pong")
                    self.counts["answered"] += 1
                    continue
                code = peer.to_the_end(10)
                self.counts[f"closed with {code}"] += 1
                self.expect(code == 1008, f"a message that never ends was closed with {code}")
        finally:
            for number, peer in enumerate(peers):
                peer.close(reset=number % 4 == 0)


class Silent(Attack):
    """Connections that say nothing, some of them in a room, and do not answer pings (1008)."""

    period = 30.0

    def once(self):
        peers = [self.peer(timeout=40).upgrade() for _ in range(10)]
        try:
            for peer in peers[::2]:
                peer.join("soak-silent", "SILENT")
            end = time.monotonic() + 30
            while not self.over() and time.monotonic() < end and not ready(peers[-1].socket, 0.5)[0]:
                pass
            while not self.over() and time.monotonic() < end and peers:
                # Pings arrive first.
                try:
                    code = peers[-1].to_the_end(1)
                except TimeoutError:
                    continue
                self.counts[f"closed with {code}"] += 1
                self.expect(code == 1008, f"a silent connection was closed with {code}")
                peers.pop().close()
            self.expect(self.over() or not peers, "a silent connection was kept")
        finally:
            for peer in peers:
                peer.close(reset=True)


class Flood(Attack):
    """More messages than a sender may send; the server reads more slowly and answers every one (D42)."""

    period = 8.0
    count = 12_000
    batch = 100
    per_second = 4_000

    def item(self):
        return message("Ping"), TEXT, b'"Pong"'

    def once(self):
        item, opcode, word = self.item()
        peer = self.peer(timeout=20).upgrade()
        try:
            data, sent, answers = item * self.batch, 0, 0
            begin, deadline = time.monotonic(), time.monotonic() + 30
            waiting = memoryview(b"")
            peer.socket.setblocking(False)
            while (sent < self.count or waiting or answers < sent) and time.monotonic() < deadline:
                if not waiting and sent < self.count and (time.monotonic() - begin) * self.per_second >= sent:
                    if self.over():
                        return
                    waiting, sent = memoryview(data), sent + self.batch
                read, write = ready(peer.socket, 0.01, write=bool(waiting))
                if write:
                    waiting = waiting[peer.socket.send(waiting) :]
                if read:
                    peer.fill()
                    while (found := peer.buffered()) is not None:
                        if found[0] == CLOSE:
                            raise Ended(f"close {close_code(found[1])}")
                        answers += found[0] == opcode and word in found[1]
            self.counts["sent"] += sent
            self.counts["answers"] += answers
            self.counts["ms"] += int((time.monotonic() - begin) * 1000)
            self.expect(answers == sent, "a flood was not answered in full")
        finally:
            peer.close(reset=self.cycle % 2 == 0)


class PingFlood(Flood):
    """The same with ping frames."""

    def item(self):
        return frame(PING, b"soak"), PONG, b"soak"


class EmptyFrames(Attack):
    """Messages in thousands of empty frames (one refusal each)."""

    period = 8.0

    def once(self):
        peer = self.peer(timeout=20).upgrade()
        try:
            middle = frame(CONTINUATION, b"", fin=0) * 2_000
            for _ in range(3):
                peer.send(frame(TEXT, b"", fin=0) + middle + frame(CONTINUATION, b""))
                self.counts["frames"] += 2_002
                while True:
                    opcode, payload = peer.frame()
                    if opcode == CLOSE:
                        raise Ended(f"close {close_code(payload)}")
                    if b"INVALID_INPUT" in payload:
                        self.counts["refused"] += 1
                        break
        finally:
            peer.close(reset=self.cycle % 2 == 0)


class InvalidMessages(Attack):
    """A thousand invalid messages in a row, and one more (1008)."""

    period = 6.0

    def once(self):
        peer = self.peer(timeout=20).upgrade()
        bad = [b"not json", b"{}", b'{"type":"Nothing"}', b'{"type":"JoinRoom","data":7}', b"[" * 200]
        try:
            refused, end = 0, None
            for number in range(0, 1_005, 15):
                peer.send(b"".join(frame(TEXT, bad[at % len(bad)]) for at in range(number, number + 15)))
                self.counts["sent"] += 15
                if ready(peer.socket, 0.01)[0]:
                    peer.fill()
            while end is None:
                opcode, payload = peer.frame()
                refused += b"INVALID_INPUT" in payload
                end = close_code(payload) if opcode == CLOSE else None
            self.counts["refused"] += refused
            self.counts[f"closed with {end}"] += 1
            self.expect(end == 1008 and refused == 1_001, f"{refused} refusals, closed with {end}")
        finally:
            peer.close(reset=self.cycle % 2 == 0)


class ConnectFlood(Attack):
    """A hundred connections more than an address may hold."""

    period = 10.0

    def once(self):
        peers = []
        try:
            for _ in range(self.limit + 100):
                peer = self.peer()
                peers.append(peer)
                peer.send(head("flood"))
                if self.over():
                    return
                time.sleep(1 / 400)
            time.sleep(1)
            inside = 0
            for peer in peers:
                kind = self.kind(peer)
                self.counts[kind] += 1
                inside += kind == "let in"
            self.expect(inside <= self.limit, f"{inside} connections of one address")
            self.expect(inside >= self.limit - 100, f"only {inside} connections of one address")
        finally:
            for number, peer in enumerate(peers):
                peer.close(reset=(number + self.cycle) % 2 == 0)

    def kind(self, peer):
        try:
            status = peer.answer()
            if status != 101:
                self.expect(status in (429, 503), f"status {status}")
                return f"status {status}"
            peer.socket.settimeout(0.01)
            opcode, payload = peer.frame()
            self.expect(opcode == TEXT and b"TOO_MANY_CONNECTIONS" in payload, f"{payload[:80]!r}")
            peer.socket.settimeout(5)
            code = peer.to_the_end(5)
            self.expect(code == 1008, f"refused with {code}")
            return "refused with 1008"
        except TimeoutError:
            return "let in"
        except Ended:
            return "closed without a word"


class Cuts(Attack):
    """Connections that are cut anywhere: in the head, before the answer, in a frame, in a room, while the room talks, in the
    closing handshake."""

    period = 0.05
    reset = True

    def once(self):
        room = f"CUT{random.randrange(40):03}"
        join = message("JoinRoom", game_name="soak-cut", player_name=f"C{random.randrange(1 << 40):x}", room_code=room)
        talk = message("GameData", data="z" * 500)
        parts = [
            head("cut"), join, message("Ping"), message("PlayerReady"), talk * 20, message("LeaveRoom"), join,
            frame(CLOSE, b"\x03\xe8"),
        ]
        script = b"".join(parts)
        peer = self.peer(timeout=15)
        try:
            phase = random.randrange(len(parts) + 1)
            start = sum(map(len, parts[:phase]))
            cut = start if phase == len(parts) else start + random.randrange(len(parts[phase]))
            # Half of them let the server answer before they go.
            pause = random.choice([None, 0.0, 0.02])
            if cut > len(parts[0]) and pause is not None:
                peer.send(script[: len(parts[0])])
                peer.answer()
                time.sleep(pause)
                peer.send(script[len(parts[0]) : cut])
            else:
                peer.send(script[:cut])
            if pause:
                time.sleep(pause)
            self.counts[f"phase {phase}"] += 1
            if not self.reset:
                peer.socket.shutdown(socket.SHUT_WR)
                deadline = time.monotonic() + 15
                try:
                    while time.monotonic() < deadline:
                        peer.fill()
                        peer.buffer.clear()
                except Ended:
                    self.counts["ended by the server"] += 1
                else:
                    self.unexpected["a half-closed connection was kept"] += 1
        except Ended:
            self.counts["ended early"] += 1
        finally:
            peer.close(reset=self.reset)


class Resets(Cuts):
    """See there."""


class HalfCloses(Cuts):
    """The same with the end of the stream instead of a reset; the server has to end its half as well."""

    reset = False


class Violations(Attack):
    """Bytes that are no HTTP and frames that are no frames."""

    period = 1.0

    def once(self):
        for text in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /v2/ws\r\n\r\n", b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n"):
            peer = self.peer()
            try:
                peer.send(text)
                status = peer.answer()
                self.counts[f"status {status}"] += 1
                self.expect(status == 400, f"status {status}")
            finally:
                peer.close()
        for data, code in (
            (b"\x81\x02hi", 1002),
            (frame(TEXT, b"hi", fin=FIN | 0x40), 1002),
            (frame(0x3, b"hi"), 1002),
            (frame(PING, b"x" * 126), 1002),
            (frame(CONTINUATION, b"hi"), 1002),
            (frame(TEXT, b"\xff"), 1007),
            (b"\x81\xff" + struct.pack(">Q", 20 << 20) + b"\0\0\0\0", 1009),
        ):
            peer = self.peer().upgrade()
            try:
                peer.send(data)
                got = peer.to_the_end(10)
                self.counts[f"closed with {got}"] += 1
                self.expect(got == code, f"closed with {got} instead of {code}")
            finally:
                peer.close()
        peer = self.peer().upgrade()
        try:
            peer.send(frame(TEXT, b"x" * 70_000))
            opcode, payload = peer.frame()
            self.expect(opcode == TEXT and b"MESSAGE_TOO_LARGE" in payload, "an oversize message was not refused")
            self.counts["oversize"] += 1
        finally:
            peer.close(reset=True)


class FalseReturns(Attack):
    """Returns with a wrong token, with the right one twice, with one that is spent, and players that never return."""

    period = 1.0

    def once(self):
        peers = []

        def another():
            peers.append(self.peer().upgrade())
            return peers[-1]

        def back(peer, seat, token, wanted):
            peer.send(message("Reconnect", player_id=seat["player_id"], room_id=seat["room_id"], auth_token=token))
            while True:
                opcode, payload = peer.frame()
                if opcode == CLOSE:
                    raise Ended(f"close {close_code(payload)}")
                kind = json.loads(payload)["type"]
                if kind in ("Reconnected", "ReconnectionFailed", "Error"):
                    self.counts[kind] += 1
                    self.expect(kind == wanted, f"{wanted} wanted, but {payload[:160]!r}")
                    return json.loads(payload)["data"]

        try:
            first, other = another(), another()
            seat = first.join("soak-return", seats=3)
            other.join("soak-return", seat["room_code"], 3)
            token = seat["auth_token"]
            back(another(), seat, "0" * len(token), "ReconnectionFailed")
            first.close(reset=True)
            # The other one hears of the drop; only then is the return no takeover.
            other.until("PlayerLeft")
            second = another()
            token = back(second, seat, token, "Reconnected").get("auth_token", token)
            # Taken over by a third while the second lives.
            third = another()
            back(third, seat, token, "Reconnected")
            code = second.to_the_end(10)
            self.expect(code == 1008, f"a connection that was taken over was closed with {code}")
            back(another(), seat, seat["auth_token"][:-1] + "?", "ReconnectionFailed")
        finally:
            # Nobody returns any more.
            for peer in peers:
                peer.close(reset=True)


ATTACKS = [
    (SlowReaders, "127.0.0.2"),
    (SlowHeads, "127.0.0.3"),
    (SlowFrames, "127.0.0.4"),
    (Flood, "127.0.0.5"),
    (PingFlood, "127.0.0.6"),
    (EmptyFrames, "127.0.0.7"),
    (InvalidMessages, "127.0.0.8"),
    (Resets, "127.0.0.9"),
    (HalfCloses, "127.0.0.10"),
    (Violations, "127.0.0.11"),
    (FalseReturns, "127.0.0.12"),
    (Silent, "127.0.0.13"),
    (ConnectFlood, "127.0.0.20"),
    (ConnectFlood, "127.0.0.21"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--per-address", type=int, required=True, help="security.max_connections_per_ip of the server")
    parser.add_argument("--only", help="names of attacks, separated by commas")
    parser.add_argument("--json", help="write the report here")
    arguments = parser.parse_args()
    if not arguments.host.startswith("127."):
        parser.error("only this machine is attacked")
    chosen = arguments.only.split(",") if arguments.only else None
    attacks = [kind(arguments, source) for kind, source in ATTACKS if not chosen or kind.__name__ in chosen]
    threads = [threading.Thread(target=attack.run, name=attack.name) for attack in attacks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report, failed = {}, False
    for attack in attacks:
        entry = report.setdefault(attack.name, {"connections": 0, "counts": {}, "unexpected": {}})
        entry["connections"] += attack.opened
        for into, from_ in ((entry["counts"], attack.counts), (entry["unexpected"], attack.unexpected)):
            for key, count in from_.items():
                into[key] = into.get(key, 0) + count
        failed |= bool(attack.unexpected)
    text = json.dumps(report, indent=1, sort_keys=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    else:
        print(text)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
