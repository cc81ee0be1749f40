"""Looks for locked instructions among those that callgrind saw being carried out; see relay_path_has_no_locks.sh.

usage: relay_path_has_no_locks.py core|server DIRECTORY
"""

import collections
import pathlib
import re
import subprocess
import sys

# Objdump writes the prefix even where the instruction is locked without it, except for xchg.
LOCKED = re.compile(r"\b(lock |mfence)|\bxchg\b.*\(")
# Source of the standard library's atomics. An atomic load or store needs no locked instruction; it shows by its source.
ATOMICS = "core/src/sync/atomic.rs"

# What a relayed message passes, by file and function. A search that missed one of them would prove nothing.
STATIONS = [
    ("core/src/shard/turn.rs", "turn"),
    ("core/src/shard/turn.rs", "take_events"),
    ("core/src/shard/turn.rs", "serve_ready"),
    ("core/src/ws/decoder.rs", "decode"),
    ("core/src/protocol/signal_fish/relay.rs", "game_data"),
    ("core/src/room/members.rs", "deliver"),
    ("core/src/effects/outbox.rs", "append"),
    ("core/src/shard/flush.rs", "flush"),
    ("core/src/shard/flush.rs", "send_plain"),
    ("core/src/effects/outbox.rs", "advance"),
]
STATIONS_OF_SERVER = [
    *STATIONS,
    ("runtime/src/thread.rs", "serve"),
    ("runtime/src/sockets.rs", "wait"),
    ("runtime/src/sockets.rs", "next_event"),
    ("runtime/src/sockets.rs", "receive"),
    ("runtime/src/sockets.rs", "send"),
]

# What the thread of a shard may do nevertheless: by source, how often in a turn, and why.
ALLOWED = [
    ("runtime/src/bell.rs", "has_mail", 1, "the one relaxed load per turn: is there mail?"),
    ("runtime/src/bell.rs", "lie_down", 1, "before it sleeps in epoll_wait: whoever sends mail has to wake it now"),
    ("runtime/src/bell.rs", "get_up", 1, "after it slept in epoll_wait: nobody has to wake it any more"),
]
# The same by function, where libc has no source to show: how often per message relayed.
ALLOWED_IN_LIBC = [
    (re.compile(r"(malloc|calloc|realloc|free|_int_\w+|malloc_consolidate)$"), 0.1, "the arena of this thread; outboxes grow"),
]
# What is not on these lists may happen once for so many turns: a shard reports its counters once a second.
TURNS_PER_REPORT = 100


def carried_out(dump):
    """{object: {address: (function, times)}} of one dump, and how often each function was called."""
    instructions = collections.defaultdict(dict)
    calls = collections.Counter()
    location = function = callee = None
    call_cost = False
    for line in dump.read_text().splitlines():
        if line.startswith("ob="):
            location = line[3:]
        elif line.startswith("fn="):
            function = line[3:]
        elif line.startswith("cfn="):
            callee = line[4:]
        elif line.startswith("calls="):
            calls[callee] += int(line[6:].split()[0])
            call_cost = True
        elif line.startswith("0x"):
            address, _, times = line.split()[:3]
            if not call_cost:
                _, before = instructions[location].get(int(address, 16), (function, 0))
                instructions[location][int(address, 16)] = (function, before + int(times))
            call_cost = False
    return instructions, calls


def locked_instructions(location):
    """{address: text} of every locked instruction of an object file."""
    found = {}
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", location], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        address, tab, text = line.partition(":\t")
        if tab and LOCKED.search(text):
            found[int(address, 16)] = text.strip()
    return found


def sources(location, addresses):
    """{address: [(file, function), …]}: where it comes from, the innermost of the functions that were inlined first."""
    asked = "\n".join(map(hex, addresses))
    command = ["addr2line", "--addresses", "--functions", "--inlines", "--demangle", "--exe", location]
    answer = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout.splitlines()
    found, frames = {}, []
    lines = iter(answer)
    for line in lines:
        if re.fullmatch(r"0x[0-9a-f]{16}", line):
            frames = found.setdefault(int(line, 16), [])
        else:
            file = next(lines).rpartition(":")[0]
            # `<A as B>::name<C>` and `module::<impl D>::name` come down to `name`.
            frames.append((file, re.sub(r"<.*>$", "", line).rpartition("::")[2]))
    return found


def is_at(frames, file, function):
    return any(name == function and source.endswith("/" + file) for source, name in frames)


class Search:
    """What is found in the dumps of one or more threads."""

    def __init__(self):
        self.known = {}

    def look(self, dump, binary):
        """What one dump shows."""
        instructions, calls = carried_out(dump)
        found = []
        passed = set()
        for location, of_object in instructions.items():
            if location not in self.known:
                self.known[location] = locked_instructions(location)
            locked = of_object.keys() & self.known[location].keys()
            frames = {}
            if pathlib.Path(location).name == binary:
                frames = sources(location, of_object)
                passed = {station for station in STATIONS_OF_SERVER if any(is_at(of, *station) for of in frames.values())}
            # The instructions of one access to an atomic count as one: that which was carried out most often.
            atomics = collections.defaultdict(list)
            for address in of_object.keys() - locked:
                chain = frames.get(address, [])
                # The outermost function of that source, the name of an innermost one may be missing. A locked access stands
                # for itself.
                here = max((at for at, (file, _) in enumerate(chain) if file.endswith(ATOMICS)), default=None)
                if here is not None and chain[here][1] in ("load", "store"):
                    atomics[tuple(chain[here + 1 :])].append(address)
            for address in locked:
                function, times = of_object[address]
                found.append((function, frames.get(address, []), self.known[location][address], times))
            for chain, addresses in atomics.items():
                function, times = max((of_object[address] for address in addresses), key=lambda one: one[1])
                found.append((function, list(chain), "an atomic load or store", times))
        total = sum(times for of_object in instructions.values() for _, times in of_object.values())
        return found, passed, calls, total


def described(function, frames):
    """Where something was found, as a reader looks for it."""
    ours = next((f"{name} ({file.split('/shards/')[-1]})" for file, name in frames if "/shards/" in file), None)
    return ours or function


def missing(stations, passed):
    return [f"the search did not see {function} of {file}" for file, function in stations if (file, function) not in passed]


def core(directory):
    """A shard with sockets that cost nothing: nothing locked or atomic at all."""
    search, failures, allocations = Search(), [], {}
    for number, line in enumerate((directory / "paths").read_text().splitlines(), 1):
        name, operations = line.rsplit(" ", 1)
        found, passed, calls, total = search.look(directory / f"counts.{2 * number}", "count_path")
        if total == 0:
            sys.exit(f"{name}: nothing was carried out")
        allocations[name] = round((calls["malloc"] + calls["realloc"]) / int(operations), 2)
        print(f"{name}: {total} instructions, {len(found)} locked or atomic, {allocations[name]} allocations per operation")
        failures += [f"{name}: {text} in {described(function, frames)}, {times} times" for function, frames, text, times in found]
        failures += [f"{name}: {text}" for text in missing(STATIONS, passed)]
    # Otherwise the regular expression or the addresses are wrong.
    if not any(search.known.values()):
        failures.append("the disassembly shows no locked instruction anywhere, which cannot be")
    if allocations["relay/room_of_8"] != allocations["relay/room_of_100"]:
        failures.append(f"allocations depend on the number of recipients: {allocations}")
    if failures:
        sys.exit("\n".join(failures))


def server(directory):
    """The threads of a server under relay load: only what is allowed."""
    search, failures, shards = Search(), [], 0
    for dump in sorted(directory.glob("server-*")):
        found, passed, calls, total = search.look(dump, "signal-fish-server")
        if ("core/src/shard/turn.rs", "turn") not in passed:
            continue
        shards += 1
        turns = sum(times for name, times in calls.items() if re.search(r"shard::turn::<impl .*>::turn$", name))
        messages = sum(times for name, times in calls.items() if re.search(r"::receive::<impl .*>::message$", name))
        print(f"a shard: {turns} turns, {messages} messages, {total} instructions; locked or atomic:")
        if min(turns, messages) < TURNS_PER_REPORT:
            failures.append("too little to judge")
        failures += missing(STATIONS_OF_SERVER, passed)
        for function, frames, text, times in sorted(found, key=lambda one: -one[3]):
            most, reason = turns / TURNS_PER_REPORT, "rare: a report of the counters"
            where = described(function, frames)
            for file, name, per_turn, why in ALLOWED:
                if is_at(frames, file, name):
                    most, reason, where = per_turn * turns, why, f"{name} ({file})"
            for names, per_message, why in ALLOWED_IN_LIBC:
                if not frames and names.match(function):
                    most, reason = per_message * messages, why
            if times > most:
                failures.append(f"{text} in {where}: {times} times in {turns} turns")
                reason = "NOT ALLOWED"
            print(f"{times:8}  {text} in {where}: {reason}")
    if shards == 0:
        failures.append("no thread had a turn")
    if failures:
        sys.exit("\n".join(failures))


{"core": core, "server": server}[sys.argv[1]](pathlib.Path(sys.argv[2]))
