#!/usr/bin/env python3
"""What TLS costs beside plain connections, within one run. Called by tls_costs.sh."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

from url_rooms import judge, latency, ours, run

IDLE = ["--connections", "5000", "--ramp", "50", "--duration", "5", "--warm-up", "2"]
RELAY = ["--rooms", "100", "--players", "9", "--rate", "1.5", "--payload", "150", "--ramp", "8", "--warm-up", "2", "--drain", "10"]
# Many members of a game share this machine.
OPEN = {"SIGNAL_FISH_SECURITY__TRANSPORT__TLS__HANDSHAKES_PER_SEC_PER_IP": "1000000"}


def tls(folder):
    prefix = "SIGNAL_FISH_SECURITY__TRANSPORT__TLS__"
    return OPEN | {
        prefix + "ENABLED": "true",
        prefix + "CERTIFICATE_PATH": f"{folder}/server.pem",
        prefix + "PRIVATE_KEY_PATH": f"{folder}/server.key",
    }


class Measures:
    def __init__(self, options, folder):
        self.options = options
        self.kinds = {"plain": ("ws", OPEN, []), "tls": ("wss", tls(folder), ["--ca", f"{folder}/ca.pem"])}

    def measure(self, kind, load, *flags):
        """A report of the generator, against a server of its own."""
        scheme, environment, more = self.kinds[kind]
        with ours(self.options.server, self.options.server_cpu, environment) as server:
            address = server.said(r"listening on ([0-9.:]+)")
            url = f"{scheme}://{address}/v2/ws"
            return run(self.options.load, self.options.load_cpu, server, load, url, *flags, *more)

    def flood(self):
        """The p99 of players while nobody else is there, and while others shake hands as fast as they can."""
        scheme, environment, more = self.kinds["tls"]
        flags = [*RELAY, "--duration", str(self.options.duration), *more]
        with ours(self.options.server, self.options.server_cpu, environment) as server:
            url = f"{scheme}://{server.said(r'listening on ([0-9.:]+)')}/v2/ws"
            alone = run(self.options.load, self.options.load_cpu, server, "relay", url, *flags)
            command = ["nice", "-n", "5", self.options.load, "churn", "--url", url, "--at-once", "64", "--duration", "600", *more]
            others = subprocess.Popen(
                ["taskset", "-c", self.options.load_cpu, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                flooded = run(self.options.load, self.options.load_cpu, server, "relay", url, *flags)
            finally:
                others.kill()
                others.wait()
            return latency(alone, "delivery")["p99_ms"], latency(flooded, "delivery")["p99_ms"]


def idle(measures):
    bytes_each = {}
    for kind in ("plain", "tls"):
        use = measures.measure(kind, "idle", *IDLE)["server"]
        bytes_each[kind] = (use["resident_bytes"] - use["resident_before_bytes"]) / 5000
    print(f"an idle joined connection: plain {bytes_each['plain'] / 1024:.2f} KiB, TLS {bytes_each['tls'] / 1024:.2f} KiB")
    return judge("KiB of an idle joined connection with TLS", bytes_each["tls"] / 1024, 10)


def relay(measures):
    rounds = {"plain": [], "tls": []}
    for number in range(measures.options.rounds):
        for kind in sorted(rounds, reverse=bool(number % 2)):
            use = measures.measure(kind, "relay", *RELAY, "--duration", str(measures.options.duration))["server"]
            rounds[kind].append(use["user_us_each"] + use["system_us_each"])
    plain, secure = (statistics.median(rounds[kind]) for kind in ("plain", "tls"))
    print(f"processor time of a delivery of 150 bytes to 8: plain {plain:.2f} µs, TLS {secure:.2f} µs")
    return judge("µs more per delivery with TLS", secure - plain, 1.5)


def flood(measures):
    alone, flooded = measures.flood()
    print(f"p99 of a delivery: {alone:.2f} ms alone, {flooded:.2f} ms in a flood of handshakes")
    return judge("p99 in a flood of handshakes beside p99 without", flooded / alone, 3)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--server", required=True)
    options.add_argument("--load", required=True)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--duration", type=float, default=10)
    options.add_argument("--server-cpu", default="0")
    options.add_argument("--load-cpu", default="1")
    options = options.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run([f"{here}/dev-certificates.sh", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if made.returncode != 0:
            sys.exit(made.stdout)
        measures = Measures(options, folder)
        good = [measure(measures) for measure in (idle, relay, flood)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
