#!/usr/bin/env python3
"""Judges what scripts/soak.sh has gathered in a folder. Prints the figures; ends with 1 and the faults, if there are any."""

import collections
import json
import pathlib
import statistics
import sys

# Resident memory may grow by this much from the second third of the load to the last. The load of both is the same.
GROWTH_SHARE, GROWTH_KIB = 0.05, 2048
# A tick is 10 ms, and a server at rest uses less than one in five seconds: one more on either side is rounding.
TICKS_MORE = 2
# Warnings that this configuration asks for: doors that it leaves open.
WARNINGS_ALLOWED = ("security.require_websocket_auth", "security.cors_origins", "security.require_metrics_auth")
# What the server has to have been driven to, or the soak has proved nothing.
COUNTED = ("tickets_refused", "senders_paused", "closed_slow", "closed_silent", "closed_incomplete", "closed_invalid")
LOADS = ("relay", "packed", "churn", "reconnect")

faults = []


def expect(held, fault):
    if not held:
        faults.append(fault)


def judge_memory(folder, facts):
    samples = [tuple(map(float, line.split())) for line in (folder / "samples.txt").read_text().splitlines()]
    end = facts["rounds"] * facts["round_seconds"]
    third = end / 3
    medians = []
    for number, name in enumerate(("first", "second", "last")):
        part = [sample for sample in samples if number * third <= sample[0] < (number + 1) * third]
        medians.append(statistics.median(resident for _, resident, _ in part))
        print(
            f"  {name} third: {medians[-1]:.0f} KiB in the median, {max(s[1] for s in part):.0f} at most; "
            f"descriptors {statistics.median(s[2] for s in part):.0f} in the median, {max(s[2] for s in part):.0f} at most"
        )
    step = max(1, len(samples) // 12)
    print("  KiB over time: " + ", ".join(f"{at:.0f} s {resident:.0f}" for at, resident, _ in samples[::step]))
    print(f"  fresh {facts['fresh_resident']} KiB, at rest afterwards {facts['end_resident']} KiB")
    allowed = medians[1] * (1 + GROWTH_SHARE) + GROWTH_KIB
    expect(medians[2] <= allowed, f"memory grows: median {medians[1]:.0f} KiB, then {medians[2]:.0f}, {allowed:.0f} allowed")
    expect(
        facts["end_descriptors"] == facts["fresh_descriptors"],
        f"descriptors: {facts['fresh_descriptors']} when fresh, {facts['end_descriptors']} when all is over",
    )


def judge_reports(folder, facts):
    for load in LOADS:
        sums = collections.Counter()
        for number in range(facts["rounds"]):
            name = f"{load}-{number}"
            status = (folder / "reports" / f"{name}.status").read_text().strip()
            expect(status == "0", f"{name} ended with {status}")
            path = folder / "reports" / f"{name}.json"
            if not path.exists():
                faults.append(f"{name} left no report")
                continue
            report = json.loads(path.read_text())
            messages, connections = report["messages"], report["connections"]
            for key in ("lost", "duplicated", "out_of_order", "misdelivered", "truncated", "corrupted", "forged"):
                expect(messages[key] == 0, f"{name}: {messages[key]} messages {key}")
            expect(messages["delivered"] == messages["expected"], f"{name}: {messages}")
            for key, count in (("lost", connections["lost"]), ("failed", connections["failed"] + report["failed"])):
                expect(count == 0, f"{name}: {count} connections or sessions {key}")
            for refusal in report["refusals"]:
                faults.append(f"{name} was refused {refusal['count']} times: {refusal['code']} {refusal['text']}")
            work = messages["delivered"] if load in ("relay", "packed") else report["completed"]
            expect(work > 0, f"{name} did nothing")
            sums.update(delivered=messages["delivered"], completed=report["completed"], connections=connections["opened"])
            for latency in report["latencies"]:
                if latency["name"] in ("delivery", "cycle", "return"):
                    sums["p99"] = max(sums["p99"], latency["p99_ms"])
        print(
            f"  {load}: {sums['connections']} connections, {sums['delivered']} deliveries, {sums['completed']} sessions or "
            f"returns, worst p99 {sums['p99']:.1f} ms"
        )


def judge_hostile(folder, facts):
    path = folder / "hostile.json"
    if not path.exists():
        faults.append(f"the hostile clients left no report and ended with {facts['hostile_status']}: see hostile.log")
        return
    for name, attack in json.loads(path.read_text()).items():
        counts = ", ".join(f"{key} {count}" for key, count in sorted(attack["counts"].items()))
        print(f"  {name}: {attack['connections']} connections; {counts}")
        expect(attack["connections"] > 0, f"{name} did nothing")
        for what, count in attack["unexpected"].items():
            faults.append(f"{name}: {count} times {what}")


def judge_log(folder):
    said = {}
    for line in (folder / "server.log").read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            faults.append(f"in the log: {line[:300]}")
            continue
        text = entry["fields"]["message"]
        said[text] = entry["fields"]
        if entry["level"] in ("WARN", "ERROR"):
            expect(any(door in text for door in WARNINGS_ALLOWED), f"in the log: {entry['level']} {entry['fields']}")
    for when in ("so far", "ended"):
        fields = said.get(when)
        if fields is None:
            faults.append(f"the log has no line `{when}`")
            continue
        held = {key: count for key, count in fields.items() if key.endswith("_held")}
        expect(held, f"the line `{when}` says nothing of what is held")
        for key, count in held.items():
            expect(count == 0, f"{key} is {count}, not 0, in the line `{when}`")
    so_far = said.get("so far", {})
    counted = {key: count for key, count in so_far.items() if key != "message" and not key.endswith("_held")}
    print("  " + ", ".join(f"{key} {count}" for key, count in counted.items()))
    for key in COUNTED:
        expect(so_far.get(key, 0) > 0, f"the server was never driven to {key}")


def main():
    folder = pathlib.Path(sys.argv[1])
    facts = json.loads((folder / "facts.json").read_text())
    print("memory and descriptors")
    judge_memory(folder, facts)
    print(f"  descriptors: {facts['fresh_descriptors']} when fresh, {facts['end_descriptors']} when all is over")
    print(f"processor time at rest, user and system, over 5 s: {facts['fresh_ticks'] * 10} ms fresh, {facts['end_ticks'] * 10} ms afterwards")
    expect(
        facts["end_ticks"] <= facts["fresh_ticks"] + TICKS_MORE,
        f"the server at rest uses {facts['end_ticks']} ticks in 5 s, fresh it used {facts['fresh_ticks']}",
    )
    expect(facts["server_status"] == 0, f"the server ended with {facts['server_status']}")
    late = facts["load_ended"] - facts["rounds"] * facts["round_seconds"]
    expect(late <= 10, f"the load ended {late} s late, so its thirds are not alike")
    print("load")
    judge_reports(folder, facts)
    print("hostile clients")
    judge_hostile(folder, facts)
    print("server")
    judge_log(folder)
    for fault in faults:
        print(f"FAULT {fault}")
    print("soak: " + (f"{len(faults)} faults" if faults else "all well"))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
