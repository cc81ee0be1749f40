"""Compares what scripts/instructions.sh counted with what is committed.

usage: instructions.py DIRECTORY COMMITTED [--update]

DIRECTORY holds `paths`, a line `NAME OPERATIONS` for each path, and callgrind's dump of the nth path as `counts.2n`.
"""

import json
import pathlib
import re
import sys

TOLERANCE = 0.03


def counted(directory):
    """Instructions of one operation, by path."""
    result = {}
    for number, line in enumerate((directory / "paths").read_text().splitlines(), 1):
        name, operations = line.rsplit(" ", 1)
        dump = (directory / f"counts.{2 * number}").read_text()
        total = re.search(r"^(?:totals|summary): (\d+)", dump, re.MULTILINE)
        if total is None or int(total[1]) == 0:
            sys.exit(f"instructions.sh: callgrind collected nothing for {name}")
        result[name] = round(int(total[1]) / int(operations), 1)
    return result


def main():
    directory, committed = map(pathlib.Path, sys.argv[1:3])
    now = counted(directory)
    if sys.argv[3:] == ["--update"]:
        committed.write_text(json.dumps(now, indent=2) + "\n")
        print(f"wrote {len(now)} counts to {committed}")
        return
    before = json.loads(committed.read_text())
    outside = []
    print(f"{'instructions per operation':40} {'committed':>10} {'now':>10} {'change':>8}")
    for name in sorted(now.keys() | before.keys()):
        old, new = before.get(name), now.get(name)
        if old is None or new is None:
            outside.append(f"{name}: committed {old}, now {new}")
            continue
        change = new / old - 1
        print(f"{name:40} {old:10} {new:10} {change:+8.1%}")
        if abs(change) > TOLERANCE:
            outside.append(f"{name}: committed {old}, now {new} ({change:+.1%}, allowed {TOLERANCE:.0%})")
    if outside:
        sys.exit("\n".join(["instructions.sh: not as committed:", *outside]))


main()
