#!/usr/bin/env bash
# Checks, instruction by instruction, that relaying a message takes no lock and does nothing that another core would see.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/relay_path_has_no_locks.sh [--server]

  --server    look at the running server, too: the thread of a shard under relay load, with sockets and mailbox

Runs the relay under callgrind, which writes down every instruction that was carried out, and looks each of them up in the
disassembly and in the line tables. What runs is `Shard::turn` as the server runs it, from the events to the flush, with
sockets that cost nothing; with --server it is the release binary itself.

Fails if one instruction is locked (lock prefix, xchg with memory, mfence), which is what a mutex, a channel and an atomic
that is written come down to, or if it is an atomic load; counts of Rc are neither. Fails, too, if a message to a hundred
members allocates more often than one to eight, and if a station of the path was not seen at all.

The thread of a shard may do what relay_path_has_no_locks.py names, with the reason. Needs valgrind, binutils and python3.
USAGE
}

server=false
while (($#)); do
    case $1 in
        --server) server=true ;;
        -h | --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

cd "$(dirname "$0")/.."
work=$(mktemp -d)
background=()
finish() {
    for pid in "${background[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap finish EXIT
release=${CARGO_TARGET_DIR:-target}/release
callgrind=("$(command -v valgrind)" --quiet --tool=callgrind --dump-instr=yes --compress-strings=no --compress-pos=no)

cargo build --locked --release --quiet --package signal-fish-bench --bin count_path
env -i LC_ALL=C "${callgrind[@]}" --callgrind-out-file="$work/counts" \
    --dump-before='count_path::measured' --dump-after='count_path::measured' "$release/count_path" relay/ >"$work/paths"
python3 scripts/relay_path_has_no_locks.py core "$work"
$server || exit 0

# Each alone: built together, the server would get the features that the generator wants of what both depend on.
cargo build --locked --release --quiet --package signal-fish-server
cargo build --locked --release --quiet --package signal-fish-loadtest
cat >"$work/config.json" <<'CONFIG'
{"rate_limit": {"max_room_creations": 1000000, "max_join_attempts": 1000000},
 "security": {"max_connections_per_ip": 1000000}}
CONFIG
# Callgrind counts nothing until it is told, so start and joins do not show. fair-sched: valgrind runs one thread at a time,
# and a shard that never blocks would keep the others from their turn.
"${callgrind[@]}" --fair-sched=yes --instr-atstart=no --separate-threads=yes --callgrind-out-file="$work/server" \
    "$release/signal-fish-server" --config "$work/config.json" --bind 127.0.0.1 --port 0 --shards 1 >"$work/log" 2>&1 &
pid=$!
background+=("$pid")
address=
for _ in {1..600}; do
    address=$(grep -o 'listening on 127\.0\.0\.1:[0-9]*' "$work/log" | cut -d' ' -f3) && break
    sleep 0.1
done
[[ -n $address ]] || { cat "$work/log" >&2; exit 1; }

"$release/signal-fish-loadtest" relay --url "ws://$address/v2/ws" --rooms 4 --rate 20 --warm-up 6 --duration 6 \
    >"$work/load" 2>&1 &
load=$!
background+=("$load")
for _ in {1..600}; do
    grep -q 'inside 32' "$work/load" && break
    sleep 0.1
done
callgrind_control --instr=on "$pid" >/dev/null 2>&1
sleep 4
callgrind_control --instr=off "$pid" >/dev/null 2>&1
wait "$load" || { cat "$work/load" >&2; exit 1; }
kill "$pid"
wait "$pid"
background=()
python3 scripts/relay_path_has_no_locks.py server "$work"
