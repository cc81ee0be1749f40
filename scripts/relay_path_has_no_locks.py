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


def locked(dump, known):
    """(function, instruction, times) of the locked instructions of one dump."""
    instructions, calls = carried_out(dump)
    total = sum(times for of_object in instructions.values() for _, times in of_object.values())
    found = []
    for location, of_object in instructions.items():
        if location not in known:
            known[location] = locked_instructions(location)
        for address in of_object.keys() & known[location].keys():
            function, times = of_object[address]
            found.append((function, known[location][address], times))
    return found, calls, total


def core(directory):
    """The engine and the codec: nothing locked at all."""
    known, failures, allocations = {}, [], {}
    for number, line in enumerate((directory / "paths").read_text().splitlines(), 1):
        name, operations = line.rsplit(" ", 1)
        found, calls, total = locked(directory / f"counts.{2 * number}", known)
        if total == 0:
            sys.exit(f"{name}: nothing was carried out")
        allocations[name] = round((calls["malloc"] + calls["realloc"]) / int(operations), 2)
        print(f"{name}: {total} instructions, {len(found)} locked, {allocations[name]} allocations per operation")
        failures += [f"{name}: {function}: {text} ({times} times)" for function, text, times in found]
    # Otherwise the regular expression or the addresses are wrong.
    if not any(known.values()):
        failures.append("the disassembly shows no locked instruction anywhere, which cannot be")
    if allocations["relay/room_of_8"] != allocations["relay/room_of_100"]:
        failures.append(f"allocations depend on the number of recipients: {allocations}")
    if failures:
        sys.exit("\n".join(failures))


# Locked instructions that a shard's thread may carry out while it relays, by function.
ALLOWED = {
    "glommio::task::": "reference counts of tasks and wakers, written by this core alone",
    "glommio::reactor::Reactor::process_shared_channels": "a fence per turn; the shard has no shared channel",
    "glommio::sys::uring::Reactor::flush_syscall_thread": "a look per turn at the results of the blocking thread, which has no work",
    "__pthread_enable_asynccancel": "libc around recv: a word of this thread",
    "__pthread_disable_asynccancel": "libc around recv: a word of this thread",
    "malloc": "libc: the arena of this thread, when its cache is empty",
    "realloc": "libc: the arena of this thread, when its cache is empty",
    "_int_free": "libc: the arena of this thread, when its cache is full",
}
# What is not on that list may happen once for so many messages: the shard reports its counters now and then.
MESSAGES_PER_REPORT = 100


def server(directory):
    """The threads of a server under relay load: only what is allowed."""
    known, failures, shards = {}, [], 0
    for dump in sorted(directory.glob("server-*")):
        found, calls, total = locked(dump, known)
        received = calls["recv"]
        if received < MESSAGES_PER_REPORT:
            continue
        shards += 1
        print(f"a shard that received {received} times: {total} instructions; locked ones:")
        by_function = collections.Counter()
        for function, _, times in found:
            by_function[function] += times
        for function, times in by_function.most_common():
            reason = next((why for start, why in ALLOWED.items() if function.startswith(start)), None)
            print(f"{times:8}  {function}: {reason or 'rare'}")
        for function, text, times in found:
            allowed = any(function.startswith(start) for start in ALLOWED)
            if not allowed and times * MESSAGES_PER_REPORT > received:
                failures.append(f"{function}: {text} ({times} times in {received} receptions)")
    if shards == 0:
        failures.append("no thread received anything")
    if failures:
        sys.exit("\n".join(failures))


{"core": core, "server": server}[sys.argv[1]](pathlib.Path(sys.argv[2]))
