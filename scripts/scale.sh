#!/usr/bin/env bash
# Shows what more shards bring: the highest rate without a loss with 1, 2, 4 ... shards, of all and per shard.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/scale.sh [--shards "1 2 4"] [--rounds 3] [--seconds 5] [--p99 50]

  --shards LIST   numbers of shards; otherwise 1, 2, 4 and so on, as far as half of the processors go
  --rounds N      searches for each number, in turn
  --seconds N     measured seconds of each step of a search
  --p99 MS        a rate holds while its 99th percentile stays below

Shards get the first processors, one each, the generator as many others as it may use, one thread on each. 100 rooms of 8
for every shard, 100-byte values. Writes tables, a chart and the JSON of every run to bench/results/<time>-<revision>-scale.
Takes the release binaries, or those that OURS and LOAD name; PORT is where the servers listen (3800). Needs python3.

With fewer than four processors there is nothing to see: it says so and ends with 2.
USAGE
}

shards=
rounds=3
seconds=5
p99=50
while (($#)); do
    case $1 in
        --shards) shift; shards=${1:?--shards needs a list} ;;
        --rounds) shift; rounds=${1:?--rounds needs a number} ;;
        --seconds) shift; seconds=${1:?--seconds needs a number} ;;
        --p99) shift; p99=${1:?--p99 needs a number} ;;
        -h | --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

cd "$(dirname "$0")/.."
port=${PORT:-3800}
mapfile -t cpus < <(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)), sep="\n")')
if ((${#cpus[@]} < 4)); then
    echo "scale.sh: ${#cpus[@]} processors cannot show a curve: two shards and a generator that keeps up with them take four" >&2
    exit 2
fi
if [[ -z $shards ]]; then
    for ((n = 1; n <= ${#cpus[@]} / 2; n *= 2)); do shards+=" $n"; done
fi
for n in $shards; do
    if ((n < 1 || n >= ${#cpus[@]})); then
        echo "scale.sh: $n shards leave the generator no processor of ${#cpus[@]}" >&2
        exit 2
    fi
done

if [[ -z ${OURS:-} || -z ${LOAD:-} ]]; then
    cargo build --locked --release --package signal-fish-server
    cargo build --locked --release --package signal-fish-loadtest
fi
OURS=${OURS:-${CARGO_TARGET_DIR:-$PWD/target}/release/signal-fish-server}
LOAD=${LOAD:-${CARGO_TARGET_DIR:-$PWD/target}/release/signal-fish-loadtest}
results=$PWD/bench/results/$(date -u +%Y%m%dT%H%M%SZ)-$(git describe --always --dirty --exclude='*' --abbrev=12)-scale
mkdir -p "$results"
ulimit -n "$(ulimit -Hn)"

work=$(mktemp -d)
server=
stop_server() {
    [[ -n $server ]] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}
trap 'stop_server; rm -rf "$work"' EXIT

list() {
    local IFS=,
    echo "$*"
}

# Starts a server with so many shards on the first processors.
start_server() {
    port=$((port + 1))
    cat >"$work/config.json" <<END
{
  "port": $port, "bind": "127.0.0.1", "shards": {"count": $1, "cpus": "$(list "${cpus[@]:0:$1}")"},
  "server": {"ping_timeout": 86400, "max_rooms_per_game": 1000000},
  "rate_limit": {"max_room_creations": 100000000, "max_join_attempts": 100000000, "time_window": 60},
  "logging": {"level": "warn", "enable_file_logging": false},
  "security": {"require_metrics_auth": false, "max_connections_per_ip": 1000000}
}
END
    "$OURS" --config "$work/config.json" >"$work/server.log" 2>&1 &
    server=$!
    for _ in $(seq 200); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    tail -5 "$work/server.log" >&2
    exit 1
}

# How many messages each shard sent.
by_shard() {
    python3 -c '
import json, sys, urllib.request
with urllib.request.urlopen(sys.argv[1]) as answer:
    shards = json.load(answer)["shards"]
print(json.dumps([shard["messages_out_total"] for shard in shards]))' "http://127.0.0.1:$port/metrics"
}

for round in $(seq "$rounds"); do
    for n in $shards; do
        start_server "$n"
        name=$(printf 'scale-%03d__ours__%d' "$n" "$round")
        others=("${cpus[@]:n}")
        echo "--- $n shards, round $round"
        # A search that found losses ends with 1; its report counts all the same.
        taskset -c "$(list "${others[@]}")" "$LOAD" relay --rooms $((100 * n)) --players 8 --payload 100 --rate 10 \
            --warm-up 1 --drain 2 --duration "$seconds" --find-limit "$p99" --threads "${#others[@]}" \
            --url "ws://127.0.0.1:$port/v2/ws" --server-pid "$server" --brief --json "$results/$name.json" 2>/dev/null |
            grep -E '^(messages|delivery|ATTENTION|  rate)' || true
        by_shard >"$results/${name}__shards.json"
        stop_server
    done
done

"$LOAD" compare --results "$results" --markdown "$results/comparison.md" --html "$results/comparison.html"
echo "written to $results"
