#!/usr/bin/env bash
# Minutes of mixed load on the release server: rooms that relay, churn and reconnect storms, and beside them clients that
# misbehave in every way (scripts/soak/hostile.py). Nothing may pile up, get lost or hurt anybody. What is judged and how
# stands in scripts/soak/judge.py. Ends with 1 and says why, if anything is wrong.
#
#   scripts/soak.sh [MINUTES]   default 10
#
# SIGNAL_FISH_BINARY=PATH     the server; otherwise the release binary, which is built
# SIGNAL_FISH_LOADTEST=PATH   the load generator, likewise
# SCRATCH=DIR                 where configuration, log, samples and reports go
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${1:-10}
[[ $minutes =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/soak.sh [MINUTES]" >&2; exit 2; }
# Connections of one address. The generator and every attack come from addresses of their own.
per_address=400

scratch=${SCRATCH:-$PWD/scratch/soak}
rm -rf "$scratch/reports" "$scratch"/{facts,hostile}.json "$scratch/samples.txt"
mkdir -p "$scratch/reports"

target=${CARGO_TARGET_DIR:-target}/release
binary=${SIGNAL_FISH_BINARY:-}
loadtest=${SIGNAL_FISH_LOADTEST:-}
# The server would take them for keys of the configuration.
unset SIGNAL_FISH_BINARY SIGNAL_FISH_LOADTEST
if [[ -z $binary ]]; then
    cargo build --locked --release --quiet --package signal-fish-server
    binary=$target/signal-fish-server
fi
if [[ -z $loadtest ]]; then
    cargo build --locked --release --quiet --package signal-fish-loadtest
    loadtest=$target/signal-fish-loadtest
fi

# Ordinary limits, but those of one address; timeouts short enough to see everything end.
cat >"$scratch/server.json" <<CONFIG
{
    "server": {
        "enable_reconnection": true, "reconnection_window": 5, "empty_room_timeout": 2, "room_cleanup_interval": 1,
        "ping_timeout": 20
    },
    "rate_limit": {"max_room_creations": 1000000, "max_join_attempts": 1000000, "time_window": 5},
    "security": {"max_connections_per_ip": $per_address},
    "websocket": {"message_timeout_secs": 5},
    "logging": {"level": "info", "format": "json", "enable_file_logging": false}
}
CONFIG

# Every process started here ends with this one: each job has a process group of its own.
set -m
cleanup() {
    local pid
    for pid in $(jobs -pr); do
        kill -TERM -- "-$pid" 2>/dev/null || true
    done
    # The shell would tell of every job that was ended.
    wait 2>/dev/null
}
trap cleanup EXIT

ulimit -n "$(($(ulimit -Hn) < 20000 ? $(ulimit -Hn) : 20000))" 2>/dev/null || true
"$binary" --config "$scratch/server.json" --port 0 --bind 127.0.0.1 >"$scratch/server.log" 2>&1 &
server=$!
address=
for _ in {1..100}; do
    address=$(grep -o 'listening on 127\.0\.0\.1:[0-9]*' "$scratch/server.log" | head -n 1 | cut -d ' ' -f 3) || true
    [[ -n $address ]] && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
if [[ -z $address ]]; then
    echo "the server did not start:" >&2
    cat "$scratch/server.log" >&2
    exit 1
fi

descriptors() {
    local open=(/proc/"$server"/fd/*)
    echo "${#open[@]}"
}

# Processor time of the server so far, user and system together, in ticks of 10 ms.
ticks() {
    local fields
    fields=$(sed 's/.*) //' "/proc/$server/stat") || return 0
    awk '{ print $12 + $13 }' <<<"$fields"
}

ticks_in_five_seconds() {
    local before
    before=$(ticks)
    sleep 5
    echo $(($(ticks) - before))
}

# One line per second: seconds since the load began, resident KiB, descriptors.
sample() {
    local begin=$EPOCHREALTIME resident
    while resident=$(awk '/^VmRSS/ { print $2 }' "/proc/$server/status" 2>/dev/null) && [[ -n $resident ]]; do
        awk -v now="$EPOCHREALTIME" -v begin="$begin" -v resident="$resident" -v open="$(descriptors)" \
            'BEGIN { printf "%.1f %d %d\n", now - begin, resident, open }'
        sleep 1
    done
}

resident() {
    awk '/^VmRSS/ { print $2 }' "/proc/$server/status"
}

sleep 1
fresh_descriptors=$(descriptors)
fresh_ticks=$(ticks_in_five_seconds)
fresh_resident=$(resident)

# Three thirds of equal load, each of whole rounds of about half a minute. The first third warms up.
rounds_per_third=$(((minutes * 60 + 45) / 90))
rounds_per_third=$((rounds_per_third > 0 ? rounds_per_third : 1))
rounds=$((rounds_per_third * 3))
round_seconds=$((minutes * 60 / rounds))
load_seconds=$((round_seconds - 8))

echo "soak: $minutes min in $rounds rounds of $round_seconds s, server $server at $address"
sample >"$scratch/samples.txt" &
begin=$SECONDS
scripts/soak/hostile.py --port "${address##*:}" --seconds $((rounds * round_seconds)) --per-address "$per_address" \
    --json "$scratch/hostile.json" >"$scratch/hostile.log" 2>&1 &
hostile=$!

# A process of its own for every load; its report, and its exit status beside it.
generate() {
    local name=$1 round=$2 status=0
    shift 2
    "$loadtest" "$@" --url "ws://$address" --game "$name" --warm-up 1 --duration "$load_seconds" \
        --json "$scratch/reports/$name-$round.json" >"$scratch/reports/$name-$round.log" 2>&1 || status=$?
    echo "$status" >"$scratch/reports/$name-$round.status"
}

for ((round = 0; round < rounds; round++)); do
    generate relay "$round" relay --rooms 20 --players 8 --rate 5 --payload 200 &
    loads=("$!")
    generate packed "$round" relay --rooms 5 --players 4 --rate 20 --message-pack &
    loads+=("$!")
    generate churn "$round" churn --rate 40 &
    loads+=("$!")
    generate reconnect "$round" reconnect --rooms 20 --players 4 --storms 4 --share 0.5 --away 0.3 &
    loads+=("$!")
    wait "${loads[@]}"
    left=$((begin + (round + 1) * round_seconds - SECONDS))
    ((left <= 0)) || sleep "$left"
    echo "round $((round + 1)) of $rounds: $(resident) KiB resident, $(descriptors) descriptors"
    kill -0 "$server" 2>/dev/null || { echo "the server is gone:" >&2; tail "$scratch/server.log" >&2; exit 1; }
done
load_ended=$((SECONDS - begin))
hostile_status=0
wait "$hostile" || hostile_status=$?

# Now everything ends: windows of return (5 s), empty rooms (2 s), closing (2 s), and the last report of the shards (1 s).
sleep 15
end_resident=$(resident)
end_descriptors=$(descriptors)
end_ticks=$(ticks_in_five_seconds)
kill -TERM "$server"
server_status=0
wait "$server" || server_status=$?

cat >"$scratch/facts.json" <<FACTS
{
    "rounds": $rounds, "round_seconds": $round_seconds, "load_ended": $load_ended, "hostile_status": $hostile_status,
    "server_status": $server_status, "fresh_descriptors": $fresh_descriptors, "end_descriptors": $end_descriptors,
    "fresh_ticks": $fresh_ticks, "end_ticks": $end_ticks, "fresh_resident": $fresh_resident, "end_resident": $end_resident
}
FACTS
scripts/soak/judge.py "$scratch"
# A judge that finds nothing would find nothing wrong.
scripts/soak/judge_misses_nothing.py "$scratch"
