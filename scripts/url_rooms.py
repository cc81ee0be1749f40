#!/usr/bin/env python3
"""What matchbox and the room relay cost, as ratios within one run. Called by matchbox_costs.sh and relay_costs.sh."""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")
LIMITS = {
    "SIGNAL_FISH_SECURITY__MAX_CONNECTIONS_PER_IP": "100000",
    "SIGNAL_FISH_RATE_LIMIT__MAX_ROOM_CREATIONS": "1000000",
    "SIGNAL_FISH_RATE_LIMIT__MAX_JOIN_ATTEMPTS": "1000000",
    "SIGNAL_FISH_SERVER__MAX_ROOMS_PER_GAME": "100000",
    "SIGNAL_FISH_LOGGING__ENABLE_FILE_LOGGING": "false",
    "SIGNAL_FISH_MATCHBOX__ENABLED": "true",
    "SIGNAL_FISH_MATCHBOX__PORT": "0",
    "SIGNAL_FISH_RELAY__ENABLED": "true",
    "SIGNAL_FISH_RELAY__PORT": "0",
    "SIGNAL_FISH_RELAY__CONNECTIONS_PER_10S": "0",
    "SIGNAL_FISH_RELAY__MESSAGES_PER_10S": "0",
    "SIGNAL_FISH_RELAY__IP_MESSAGES_PER_10S": "0",
    "SIGNAL_FISH_RELAY__ROOM_MESSAGES_PER_10S": "0",
}
SECRET = "a secret of thirty-two bytes or more"


class Server:
    """A server on its own processor; it ends with the `with` block."""

    def __init__(self, command, cpu, environment=None):
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        self.process = subprocess.Popen(
            ["taskset", "-c", cpu, *command],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **LIMITS, **(environment or {})},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self, pattern):
        """What the first group of `pattern` is in the log, once it is there."""
        for _ in range(200):
            found = re.search(pattern, open(self.log.name).read())
            if found:
                return found.group(1)
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        sys.exit(f"the server did not start:\n{open(self.log.name).read()}")

    def wait_for(self, port):
        """Waits until somebody listens there."""
        import socket

        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"127.0.0.1:{port}"
            time.sleep(0.05)
        sys.exit("the server does not listen")

    def cpu_s(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def run(load_binary, cpu, server, load, url, *flags):
    """Runs the generator; its report, with the processor time of the server over the whole run."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
        command = ["taskset", "-c", cpu, load_binary, load, "--url", url, "--json", report.name, *flags]
        command += ["--server-pid", str(server.process.pid)]
        before = server.cpu_s()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        used = server.cpu_s() - before
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}:\n{done.stdout}")
        return json.load(open(report.name)) | {"cpu_s": used}


def latency(report, name):
    return next(found for found in report["latencies"] if found["name"] == name)


def ours(binary, cpu, environment=None):
    return Server([binary, "--bind", "127.0.0.1", "--port", "0", "--shards", "1", "--no-pin"], cpu, environment)


def judge(what, ratio, most):
    good = ratio <= most
    print(f"{what}: {ratio:.3f}, at most {most:.3f}: {'good' if good else 'NOT REACHED'}")
    return good


def matchbox(options):
    flags = ["--rooms", str(options.rooms), "--players", "4", "--payload", "200", "--at-once", "32", "--hold", "3"]
    flags += ["--duration", "120"]
    figures = {"ours": [], "matchbox_server": []}

    def measure(name, server, address):
        found = run(options.load, options.load_cpu, server, "matchbox", f"ws://{address}/", *flags)
        use = found["server"]
        peers = options.rooms * 4
        figures[name].append(
            {
                "cpu_s": found["cpu_s"],
                "p50_ms": latency(found, "signal")["p50_ms"],
                "p99_ms": latency(found, "signal")["p99_ms"],
                "peer_bytes": (use["resident_bytes"] - use["resident_before_bytes"]) / peers,
                "met": found["completed"],
            }
        )

    for number in range(options.rounds):
        for name in sorted(figures, reverse=bool(number % 2)):
            if name == "ours":
                with ours(options.server, options.server_cpu) as server:
                    measure(name, server, server.said(r"matchbox listens on ([0-9.:]+)"))
            else:
                with Server([options.other, f"127.0.0.1:{options.port}"], options.server_cpu) as server:
                    measure(name, server, server.wait_for(options.port))
    middle = {}
    for name, rounds in figures.items():
        middle[name] = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        print(name, " ".join(f"{key}={value:.3f}" for key, value in middle[name].items()))
    a, b = middle["ours"], middle["matchbox_server"]
    good = [
        judge("processor time beside matchbox_server", a["cpu_s"] / b["cpu_s"], 1 / 3),
        judge("p99 of a signal beside matchbox_server", a["p99_ms"] / b["p99_ms"], 1),
        judge("memory of an idle peer beside matchbox_server", a["peer_bytes"] / b["peer_bytes"], 1 / 10),
    ]
    return all(good)


def relay(options):
    flags = ["--rooms", "100", "--players", "8", "--rate", str(options.rate), "--payload", "300"]
    flags += ["--duration", str(options.duration), "--warm-up", "2", "--drain", "10"]
    figures = {"signal fish": [], "relay": [], "relay with tokens": []}
    auth = {"SIGNAL_FISH_RELAY__AUTH__ENABLED": "true", "SIGNAL_FISH_RELAY__AUTH__SECRET": SECRET}

    def measure(name, server, load, url, *more):
        found = run(options.load, options.load_cpu, server, load, url, *flags, *more)
        use = found["server"]
        figures[name].append(
            {
                "us_each": use["user_us_each"] + use["system_us_each"],
                "user_us_each": use["user_us_each"],
                "p99_ms": latency(found, "delivery")["p99_ms"],
                "per_s": found["throughput"]["delivered_per_s"],
            }
        )

    for number in range(options.rounds):
        with ours(options.server, options.server_cpu) as server:
            main = server.said(r"[^s]listening on ([0-9.:]+)")
            there = server.said(r"relay listens on ([0-9.:]+)")
            both = [("signal fish", "relay", f"ws://{main}/v2/ws"), ("relay", "relay-rooms", f"ws://{there}/")]
            for name, load, url in reversed(both) if number % 2 else both:
                measure(name, server, load, url)
        with ours(options.server, options.server_cpu, auth) as server:
            there = server.said(r"relay listens on ([0-9.:]+)")
            measure("relay with tokens", server, "relay-rooms", f"ws://{there}/", "--token-secret", SECRET)
    middle = {}
    for name, rounds in figures.items():
        middle[name] = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        print(name, " ".join(f"{key}={value:.3f}" for key, value in middle[name].items()))
    return judge(
        "processor time of a delivery beside Signal Fish", middle["relay"]["us_each"] / middle["signal fish"]["us_each"], 1.1
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["matchbox", "relay"])
    parser.add_argument("--server", default="target/release/signal-fish-server")
    parser.add_argument("--load", default="target/release/signal-fish-loadtest")
    parser.add_argument("--other", default="scratch/matchbox_server/bin/matchbox_server")
    parser.add_argument("--server-cpu", default="0")
    parser.add_argument("--load-cpu", default="1")
    parser.add_argument("--port", type=int, default=3791)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rooms", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--duration", type=float, default=10)
    options = parser.parse_args()
    if not shutil.which("taskset"):
        sys.exit("needs taskset")
    good = matchbox(options) if options.what == "matchbox" else relay(options)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
