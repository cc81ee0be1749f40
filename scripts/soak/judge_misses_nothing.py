#!/usr/bin/env python3
"""Judges the judge: takes what a good soak has gathered, spoils it in one way after the other, and expects judge.py to say so.
Ends with 1 if it misses one."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

JUDGE = pathlib.Path(__file__).with_name("judge.py")


def edit(path, change):
    """Changes a JSON file."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def fact(key, more):
    return lambda folder: edit(folder / "facts.json", lambda facts: facts.update({key: facts[key] + more}))


def report(part, key):
    """One load's report counts one more of something."""

    def spoil(folder):
        path = sorted((folder / "reports").glob("*.json"))[0]
        edit(path, lambda value: value[part].update({key: value[part][key] + 1}))

    return spoil


def memory(folder):
    """The last third takes a tenth and 3 MiB more."""
    facts = json.loads((folder / "facts.json").read_text())
    from_here = facts["rounds"] * facts["round_seconds"] * 2 / 3
    lines = []
    for line in (folder / "samples.txt").read_text().splitlines():
        at, resident, descriptors = line.split()
        if float(at) >= from_here:
            resident = int(int(resident) * 1.1) + 3072
        lines.append(f"{at} {resident} {descriptors}")
    (folder / "samples.txt").write_text("\n".join(lines))


def held(when):
    """One more of everything is held than nothing."""

    def spoil(folder):
        lines = []
        for line in (folder / "server.log").read_text().splitlines():
            entry = json.loads(line)
            if entry["fields"]["message"] == when:
                key = next(key for key in entry["fields"] if key.endswith("_held"))
                entry["fields"][key] = 1
            lines.append(json.dumps(entry))
        (folder / "server.log").write_text("\n".join(lines))

    return spoil


def warning(folder):
    with (folder / "server.log").open("a") as log:
        log.write(json.dumps({"level": "WARN", "fields": {"message": "something is wrong"}}) + "\n")


def unexpected(folder):
    def change(attacks):
        next(iter(attacks.values()))["unexpected"]["something"] = 1

    edit(folder / "hostile.json", change)


FAULTS = {
    "memory that grows": memory,
    "a descriptor that is left": fact("end_descriptors", 1),
    "a busy server at rest": fact("end_ticks", 50),
    "a server that failed": fact("server_status", 1),
    "a lost message": report("messages", "lost"),
    "a repeated message": report("messages", "duplicated"),
    "a message out of order": report("messages", "out_of_order"),
    "a message for somebody else": report("messages", "misdelivered"),
    "a shortened message": report("messages", "truncated"),
    "a changed message": report("messages", "corrupted"),
    "a message in the name of another": report("messages", "forged"),
    "a lost connection": report("connections", "lost"),
    "something held before the drain": held("so far"),
    "something held at the end": held("ended"),
    "a warning": warning,
    "a client that was treated otherwise": unexpected,
}


def judged_well(folder):
    return subprocess.run([JUDGE, folder], stdout=subprocess.DEVNULL, check=False).returncode == 0


def main():
    good = pathlib.Path(sys.argv[1])
    missed = [] if judged_well(good) else ["nothing: it is no good soak"]
    for name, spoil in FAULTS.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder) / "soak"
            shutil.copytree(good, folder)
            spoil(folder)
            if judged_well(folder):
                missed.append(name)
    if missed:
        sys.exit("the judge misses " + ", ".join(missed))
    print(f"the judge finds each of {len(FAULTS)} planted faults")


if __name__ == "__main__":
    main()
