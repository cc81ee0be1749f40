#!/usr/bin/env bash
# A storm of joins on a machine that is busy with something else: no connect and no join may take long.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/join_storm.sh [--runs 50] [--rooms 200] [--limit-ms 2000] [--time 900]

  --runs N        storms, each against a fresh server
  --rooms N       rooms of eight that are opened and filled at the same moment
  --limit-ms N    longest connect and longest join
  --time N        seconds after which no run starts any more, which is a failure

While it runs, a process per processor does nothing but keep that busy. A shard that stands still shows: its clients wait
for as long. Fails after a run in which a connect or a join took longer than the limit, or in which one failed. Prints the
slowest of each run and of all. Takes the release binary, or the one that SIGNAL_FISH_BINARY names. Needs python3.
USAGE
}

runs=50
rooms=200
limit=2000
time=900
while (($#)); do
    case $1 in
        --runs) shift; runs=${1:?--runs needs a number} ;;
        --rooms) shift; rooms=${1:?--rooms needs a number} ;;
        --limit-ms) shift; limit=${1:?--limit-ms needs a number} ;;
        --time) shift; time=${1:?--time needs a number} ;;
        -h | --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

cd "$(dirname "$0")/.."
release=${CARGO_TARGET_DIR:-target}/release
binary=${SIGNAL_FISH_BINARY:-}
# The server would take it for a key of the configuration.
unset SIGNAL_FISH_BINARY
if [[ -z $binary ]]; then
    cargo build --locked --release --quiet --package signal-fish-server
    binary=$release/signal-fish-server
fi
cargo build --locked --release --quiet --package signal-fish-loadtest
ulimit -n "$(ulimit -Hn)"

work=$(mktemp -d)
busy=()
server=
finish() {
    for pid in $server "${busy[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap finish EXIT

cat >"$work/config.json" <<'CONFIG'
{"rate_limit": {"max_room_creations": 1000000, "max_join_attempts": 1000000},
 "security": {"max_connections_per_ip": 1000000},
 "server": {"max_rooms_per_game": 1000000},
 "logging": {"enable_file_logging": false}}
CONFIG
for ((processor = 0; processor < $(nproc); processor++)); do
    (while :; do :; done) &
    busy+=("$!")
done

for ((run = 1; run <= runs; run++)); do
    if ((SECONDS > time)); then
        echo "only $((run - 1)) of $runs runs began within $time s" >&2
        exit 1
    fi
    "$binary" --config "$work/config.json" --bind 127.0.0.1 --port 0 >"$work/$run.log" 2>&1 &
    server=$!
    address=
    for _ in {1..300}; do
        address=$(grep -o -m 1 'listening on 127\.0\.0\.1:[0-9]*' "$work/$run.log" 2>/dev/null | cut -d ' ' -f 3) && break
        sleep 0.1
    done
    [[ -n $address ]] || { cat "$work/$run.log" >&2; exit 1; }
    # Whatever is stuck ends by itself, after half a minute, and is then counted as failed.
    timeout 120 "$release/signal-fish-loadtest" lobby --fill-only --url "ws://$address/v2/ws" --sessions "$rooms" \
        --at-once "$rooms" --players 8 --json "$work/$run.json" >"$work/load" 2>&1 || { cat "$work/load" "$work/$run.log" >&2; exit 1; }
    kill "$server"
    wait "$server"
    server=
    python3 - "$work/$run.json" "$run" "$limit" <<'PYTHON'
import json, sys

path, run, limit = sys.argv[1], sys.argv[2], float(sys.argv[3])
with open(path) as file:
    report = json.load(file)
slowest = {latency["name"]: latency["max_ms"] for latency in report["latencies"]}
print(f"run {run}: slowest connect {slowest['connect']:.1f} ms, slowest join {slowest['join']:.1f} ms", flush=True)
if max(slowest["connect"], slowest["join"]) > limit:
    sys.exit(f"longer than {limit:.0f} ms")
PYTHON
done

python3 - "$work" <<'PYTHON'
import json, pathlib, sys

slowest = {"connect": 0, "join": 0}
joins = 0
for path in pathlib.Path(sys.argv[1]).glob("[0-9]*.json"):
    report = json.loads(path.read_text())
    joins += report["connections"]["joined"]
    for latency in report["latencies"]:
        if latency["name"] in slowest:
            slowest[latency["name"]] = max(slowest[latency["name"]], latency["max_ms"])
print(f"{joins} joins; slowest connect {slowest['connect']:.1f} ms, slowest join {slowest['join']:.1f} ms")
PYTHON
