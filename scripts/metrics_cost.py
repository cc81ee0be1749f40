#!/usr/bin/env python3
"""What it costs the relay that everything is scraped every second and a stream is open.

usage: scripts/metrics_cost.py SERVER LOADTEST [SECONDS]

Starts the server and a relay load, and then lets periods in which /metrics and /metrics/prom are read every second and a
stream is open alternate with periods in which nobody asks. Compares the CPU time of the server per delivered message.
Periods of one run are compared, because two runs differ more than that. Linux only. The server has the first processor for
itself; the load and whoever scrapes share the second one.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PERIOD = 5.0


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        return answer.read()


def deliveries(address):
    return json.loads(read(address, "/metrics"))["totals"]["game_data_deliveries_total"]


class Scraping:
    """Reads everything once a second, and a stream, until it is stopped."""

    def __init__(self, address):
        self.stopped = threading.Event()
        self.bytes = 0
        self.threads = [threading.Thread(target=self.poll, args=[address]), threading.Thread(target=self.watch, args=[address])]
        for thread in self.threads:
            thread.start()

    def poll(self, address):
        while not self.stopped.wait(1):
            self.bytes += len(read(address, "/metrics")) + len(read(address, "/metrics/prom"))

    def watch(self, address):
        with urllib.request.urlopen(f"http://{address}/metrics/stream", timeout=10) as stream:
            while not self.stopped.is_set():
                self.bytes += len(stream.readline())

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def main():
    server, loadtest = (os.path.abspath(path) for path in sys.argv[1:3])
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 80.0
    limits = {
        "security": {"max_connections_per_ip": 100000},
        "rate_limit": {"max_room_creations": 1000000, "max_join_attempts": 1000000},
        "logging": {"enable_file_logging": False, "format": "json"},
    }
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/config.json", "w") as file:
            json.dump(limits, file)
        with open(f"{folder}/log", "w") as log:
            process = subprocess.Popen(
                [server, "--bind", "127.0.0.1", "--port", "0", "--shards", "1", "--no-pin"], cwd=folder, stdout=log, stderr=log
            )
        first, second, *_ = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(process.pid, {first})
        os.sched_setaffinity(0, {second})
        address = None
        while not address:
            time.sleep(0.05)
            lines = [line for line in open(f"{folder}/log") if "listening on 127.0.0.1:" in line]
            address = lines and "127.0.0.1:" + lines[0].split("listening on 127.0.0.1:")[1].split('"')[0].strip()
        load = subprocess.Popen(
            [loadtest, "relay", "--url", f"ws://{address}/v2/ws", "--rooms", "50", "--players", "4", "--rate", "100",
             "--duration", str(seconds + 20)],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(8)
            assert load.poll() is None, "the load generator ended at once"
            spent = {False: [0.0, 0], True: [0.0, 0]}
            scraped_bytes = 0
            for period in range(int(seconds / PERIOD)):
                # In the order off, on, on, off, so that a drift hits both alike.
                on = period % 4 in (1, 2)
                scraping = Scraping(address) if on else None
                messages, cpu = deliveries(address), cpu_seconds(process.pid)
                time.sleep(PERIOD)
                cpu, messages = cpu_seconds(process.pid) - cpu, deliveries(address) - messages
                if scraping:
                    scraping.stop()
                    scraped_bytes += scraping.bytes
                spent[on][0] += cpu
                spent[on][1] += messages
            (off_cpu, off), (on_cpu, on) = spent[False], spent[True]
            assert off > 0 and on > 0, "nothing was relayed"
            off_cost, on_cost = off_cpu / off * 1e6, on_cpu / on * 1e6
            difference = (on_cost / off_cost - 1) * 100
            print(f"never scraped: {off} deliveries, {off_cpu:.2f} s of CPU, {off_cost:.3f} us each")
            print(f"scraped and streamed: {on} deliveries, {on_cpu:.2f} s of CPU, {on_cost:.3f} us each, {scraped_bytes} bytes read")
            print(f"difference: {difference:+.2f} %")
            return 0 if difference <= 3.0 else 1
        finally:
            load.terminate()
            load.wait()
            process.terminate()
            process.wait()


sys.exit(main())
