#!/usr/bin/env bash
# Runs the Autobahn WebSocket suite against the echo server and compares every verdict with autobahn-expected.json.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/autobahn.sh [--update] [--url ws://127.0.0.1:PORT/v2/ws]

  --update    write the verdicts to scripts/autobahn-expected.json instead of comparing them
  --url URL   test an echo server that is already running (it must take messages of 16 MiB)

Needs python3, and pyenv, which builds CPython 2.7.18, the last Python the suite runs on, if it is missing. Everything else
is installed into scratch/autobahn and kept there between runs. The reports lie there, too.
USAGE
}

fail() {
    echo "autobahn.sh: $*" >&2
    exit 1
}

update=false
url=
while (($#)); do
    case $1 in
        --update) update=true ;;
        --url) shift; url=${1:?--url needs a URL} ;;
        -h | --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

cd "$(dirname "$0")/.."
expected=scripts/autobahn-expected.json
work=$PWD/scratch/autobahn
suite=$work/suite
# ujson and wsaccel have newer versions without Python 2; virtualenv 20.22 dropped it.
requirements=(autobahntestsuite==25.10.1 wsaccel==0.6.2 ujson==2.0.3)

install_suite() {
    if [[ -f $suite/installed && $(<"$suite/installed") == "${requirements[*]}" ]]; then
        return
    fi
    command -v python3 >/dev/null || fail "python3 is not installed."
    command -v pyenv >/dev/null || fail "pyenv is not installed; the suite needs CPython 2.7.18 from it."
    local python2
    python2=$(pyenv root)/versions/2.7.18/bin/python
    [[ -x $python2 ]] || pyenv install 2.7.18 || fail "CPython 2.7.18 cannot be installed."
    echo "installing the suite into $suite"
    rm -rf "$suite" "$work/installer"
    mkdir -p "$work"
    python3 -m venv "$work/installer"
    "$work/installer/bin/pip" install --quiet --disable-pip-version-check 'virtualenv<20.22'
    "$work/installer/bin/virtualenv" --quiet -p "$python2" "$suite"
    nice "$suite/bin/pip" install --quiet --disable-pip-version-check --no-python-version-warning "${requirements[@]}"
    echo "${requirements[*]}" >"$suite/installed"
}

server=
stop_server() {
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
}
trap stop_server EXIT

start_server() {
    cargo build --locked --release --example echo
    : >"$work/server.log"
    # cargo replaces itself by the program it runs, so its pid is the server's.
    cargo run --locked --quiet --release --example echo -- --port 0 >"$work/server.log" &
    server=$!
    local address=
    for _ in {1..300}; do
        address=$(sed -n 's/^listening on //p' "$work/server.log")
        [[ -n $address ]] && break
        kill -0 "$server" 2>/dev/null || fail "the echo server ended before it listened."
        sleep 0.1
    done
    [[ -n $address ]] || fail "the echo server did not say where it listens within 30 s."
    url=ws://$address/v2/ws
}

install_suite
[[ -n $url ]] || start_server

rm -rf "$work/reports"
cat >"$work/spec.json" <<SPEC
{
    "outdir": "$work/reports",
    "servers": [{"agent": "signal-fish-server", "url": "$url"}],
    "cases": ["*"],
    "exclude-cases": ["12.*", "13.*"],
    "exclude-agent-cases": {}
}
SPEC
# Sections 12 and 13 are about compression, which the server does not offer. The suite's exit status says nothing.
nice timeout 900 "$suite/bin/wstest" -m fuzzingclient -s "$work/spec.json" >"$work/suite.log" 2>&1 || true
[[ -f $work/reports/index.json ]] || fail "the suite wrote no report; see $work/suite.log"

python3 - "$work/reports/index.json" "$expected" "$update" <<'PYTHON'
import collections, json, os, sys

report, expected_path, update = sys.argv[1], sys.argv[2], sys.argv[3] == "true"
with open(report) as file:
    agents = json.load(file)
actual = {
    case: {"behavior": result["behavior"], "behaviorClose": result["behaviorClose"]}
    for case, result in agents["signal-fish-server"].items()
}
in_order = lambda cases: sorted(cases, key=lambda case: [int(part) for part in case.split(".")])

for verdict in ("behavior", "behaviorClose"):
    counts = collections.Counter(result[verdict] for result in actual.values())
    print(f"{verdict}: {len(actual)} cases,", ", ".join(f"{n} {name}" for name, n in counts.most_common()))

if update:
    lines = ",\n".join(f"{json.dumps(case)}: {json.dumps(actual[case])}" for case in in_order(actual))
    with open(expected_path, "w") as file:
        file.write("{\n" + lines + "\n}\n")
    print("wrote", expected_path)
    sys.exit()

if not os.path.exists(expected_path):
    sys.exit(f"{expected_path} is missing; --update writes it")
with open(expected_path) as file:
    expected = json.load(file)
differences = [case for case in in_order(actual.keys() | expected.keys()) if actual.get(case) != expected.get(case)]
for case in differences:
    print(f"case {case}: expected {expected.get(case)}, got {actual.get(case)}")
sys.exit(f"{len(differences)} of {len(actual)} cases differ from {expected_path}" if differences else 0)
PYTHON
