#!/usr/bin/env python3
"""Attacks a server and measures what that costs others; started by scripts/attacks.sh. Standard library only."""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

HOSTILE = "127.0.0.66"
PER_ADDRESS = 300
LOAD_SECONDS = 4
# Newcomers that are accepted in one turn at most (shards/core/src/shard/turn.rs).
ACCEPTS_PER_TURN = int(
    re.search(
        r"ACCEPTS_PER_TURN_MAX: usize = (\d+)",
        (pathlib.Path(__file__).parents[2] / "shards/core/src/shard/turn.rs").read_text(),
    ).group(1)
)
# A miss by no more than this is put down to the machine.
CLEAR = 1.25


class Server:
    """A server with one shard on the first processor."""

    def __init__(self, arguments, folder):
        config = folder / "server.json"
        config.write_text(
            json.dumps(
                {
                    "rate_limit": {"max_room_creations": 1_000_000, "max_join_attempts": 1_000_000},
                    "security": {"max_connections_per_ip": PER_ADDRESS},
                    "logging": {"enable_file_logging": False},
                }
            )
        )
        self.log = (folder / "server.log").open("w+")
        command = [arguments.server, "--config", str(config), "--bind", "127.0.0.1", "--port", "0", "--cpus", "0"]
        worst = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False).stdout
        self.formula = next((line for line in worst.splitlines() if line.split()[1:2] == ["memory"]), "")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        self.address = None
        for _ in range(100):
            time.sleep(0.1)
            found = re.search(r"listening on (127\.0\.0\.1:\d+)", pathlib.Path(self.log.name).read_text())
            if found:
                self.address = found.group(1)
                break
        if not self.address:
            sys.exit("the server did not start:\n" + pathlib.Path(self.log.name).read_text())
        self.proc = pathlib.Path("/proc") / str(self.process.pid)

    def cpu_us(self):
        """Processor time of all its threads so far."""
        return sum(int((task / "schedstat").read_text().split()[0]) for task in (self.proc / "task").iterdir()) / 1000

    def idle_us_per_second(self):
        time.sleep(1)
        before = self.cpu_us()
        time.sleep(4)
        return (self.cpu_us() - before) / 4

    def peak_kib(self):
        """The largest resident memory since this was asked last."""
        status = (self.proc / "status").read_text()
        (self.proc / "clear_refs").write_text("5")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1))

    def end(self):
        self.process.terminate()
        return self.process.wait(timeout=30)


def second(command):
    return ["taskset", "-c", "1", *command]


def load(arguments, server, folder):
    """Quiet rooms; the report of the load generator."""
    report = folder / "load.json"
    report.unlink(missing_ok=True)
    command = [
        arguments.loadtest, "relay", "--url", f"ws://{server.address}/v2/ws", "--rooms", "10", "--players", "4", "--rate",
        "20", "--payload", "100", "--warm-up", "1", "--duration", str(LOAD_SECONDS), "--drain", "5", "--json", str(report),
    ]  # fmt: skip
    ended = subprocess.run(second(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if not report.exists():
        sys.exit(f"the load generator failed:\n{ended.stdout}")
    return json.loads(report.read_text())


def p99(report):
    return next(latency["p99_ms"] for latency in report["latencies"] if latency["name"] == "delivery")


def lost(report):
    return report["connections"]["lost"] + report["connections"]["failed"] + report["messages"]["lost"]


def attack(arguments, *what):
    return subprocess.Popen(second([arguments.attack, *what]), stdout=subprocess.PIPE, text=True)


def result(process):
    out, _ = process.communicate(timeout=60)
    if process.returncode != 0:
        sys.exit(f"an attacker failed: {process.args}")
    return json.loads(out.splitlines()[-1])


def floor(arguments):
    """Processor time of a bare accept and close under the same flood, and the attempts per second."""
    sink = subprocess.Popen(
        ["taskset", "-c", "0", arguments.attack, "sink", "--seconds", "3"], stdout=subprocess.PIPE, text=True
    )
    address = sink.stdout.readline().strip()
    flood = attack(arguments, "connects", "--target", address, "--source", HOSTILE, "--seconds", "4")
    out = sink.stdout.read()
    sink.wait()
    # The sink is gone before the flood is over: what failed then counts for nothing.
    flood.communicate()
    return json.loads(out.splitlines()[-1])["cpu_us_each"]


def one_round(arguments, server, folder):
    figures = {}
    quiet = load(arguments, server, folder)
    before = server.cpu_us()
    again = load(arguments, server, folder)
    quiet_cpu = server.cpu_us() - before
    figures["quiet p99 ms"] = (p99(quiet) + p99(again)) / 2

    server.peak_kib()
    flood = attack(arguments, "member", "--target", server.address, "--seconds", str(LOAD_SECONDS + 3))
    time.sleep(0.5)
    report = load(arguments, server, folder)
    figures["flood: messages/s"] = (lambda done: done["sent"] / done["seconds"])(result(flood))
    figures["flood: p99 ms"] = p99(report)
    figures["flood: p99 ratio"] = p99(report) / figures["quiet p99 ms"]
    figures["flood: lost"] = lost(report)
    figures["flood: peak MiB"] = server.peak_kib() / 1024
    figures["flood: idle µs/s after"] = server.idle_us_per_second()

    server.peak_kib()
    flood = attack(
        arguments, "connects", "--target", server.address, "--source", HOSTILE, "--hold", str(PER_ADDRESS), "--seconds",
        str(LOAD_SECONDS + 4),
    )  # fmt: skip
    time.sleep(1)
    before = server.cpu_us()
    begin = time.monotonic()
    report = load(arguments, server, folder)
    used, took = server.cpu_us() - before, time.monotonic() - begin
    done = result(flood)
    rate = done["attempts"] / done["seconds"]
    figures["connects: attempts/s"] = rate
    figures["connects: p99 ms"] = p99(report)
    figures["connects: p99 ratio"] = p99(report) / figures["quiet p99 ms"]
    figures["connects: lost"] = lost(report)
    figures["connects: CPU µs each"] = (used - quiet_cpu) / (rate * took)
    figures["connects: bare accept+close µs"] = floor(arguments)
    figures["connects: CPU ratio"] = figures["connects: CPU µs each"] / figures["connects: bare accept+close µs"]
    # All that an attempt costs is more than accepting it does.
    figures["connects: accepting µs of a turn"] = figures["connects: CPU µs each"] * ACCEPTS_PER_TURN
    figures["connects: peak MiB"] = server.peak_kib() / 1024
    figures["connects: idle µs/s after"] = server.idle_us_per_second()
    return figures


BOUNDS = {
    "flood: p99 ratio": 3,
    "flood: lost": 0,
    "connects: p99 ratio": 2,
    "connects: lost": 0,
    "connects: CPU ratio": 1.5,
    "connects: accepting µs of a turn": 200,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--loadtest", required=True)
    parser.add_argument("--attack", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    # The server would take them for keys of the configuration.
    for name in [name for name in os.environ if name.startswith("SIGNAL_FISH")]:
        del os.environ[name]

    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        server = Server(arguments, folder)
        try:
            fresh = server.idle_us_per_second()
            rounds = [one_round(arguments, server, folder) for _ in range(arguments.rounds)]
        finally:
            # Also when a round fails; attackers end by themselves.
            status = server.end()
        # What a server at rest uses is little, and noisy.
        idle = max(2 * fresh, fresh + 500)
        bounds = {**BOUNDS, "flood: idle µs/s after": idle, "connects: idle µs/s after": idle}
        print(f"{'median of ' + str(arguments.rounds) + ' rounds':36}{'measured':>12}{'lowest':>12}{'highest':>12}{'bound':>12}")
        print(f"{'fresh: idle µs/s':36}{fresh:12.1f}")
        for name in rounds[0]:
            values = [figures[name] for figures in rounds]
            median = statistics.median(values)
            bound = bounds.get(name)
            row = f"{name:36}{median:12.2f}{min(values):12.2f}{max(values):12.2f}"
            if bound is not None:
                clearly = median > bound * CLEAR
                missed |= clearly
                verdict = "MISSED" if clearly else "over" if median > bound else "ok"
                row += f"{bound:12.1f}  {verdict}"
            print(row)
        print("formula: " + " ".join(server.formula.split()))
    if status != 0:
        print(f"the server ended with {status}")
    print(f"load of the machine after: {os.getloadavg()[0]:.1f}")
    sys.exit(1 if missed or status != 0 else 0)


if __name__ == "__main__":
    main()
