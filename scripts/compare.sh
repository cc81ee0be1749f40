#!/usr/bin/env bash
# Runs the same loads against our server and the public releases 0.2.0 and 0.12.0, in alternation, on one machine, and
# writes a table and charts to bench/results/<time>-<revision>/.
#
# The server gets one core (and ours one shard), the generator another. Everything is
# installed and written below scratch/ and bench/results/.
#
# Environment, with defaults:
#   ROUNDS=3         times every measure is taken, servers in turn
#   DURATION=10      seconds measured per relay run
#   RATES="5 20 40"  messages per second and player: 28,000, 112,000 and 224,000 deliveries/s with 100 rooms of 8
#   MEASURES="relay limit idle churn fill"
#   SERVERS="ours 0.2.0 0.2.0+batching 0.12.0 0.12.0+batching"
#   SERVER_CPU=0 LOAD_CPU=1      the two cores
#   OURS=, LOAD=     binaries; built with --release when empty
set -euo pipefail
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-3}
DURATION=${DURATION:-10}
RATES=${RATES:-5 20 40}
MEASURES=${MEASURES:-relay limit idle churn fill}
SERVERS=${SERVERS:-ours 0.2.0 0.2.0+batching 0.12.0 0.12.0+batching}
SERVER_CPU=${SERVER_CPU:-0}
LOAD_CPU=${LOAD_CPU:-1}
IDLE=${IDLE:-8000}
FILL=${FILL:-1000}
CHURN=${CHURN:-10000}
PORT=${PORT:-3700}

scratch=$PWD/scratch/compare
results=$PWD/bench/results/$(date -u +%Y%m%dT%H%M%SZ)-$(git rev-parse --short=12 HEAD)
mkdir -p "$scratch" "$results"
ulimit -n "$(ulimit -Hn)"

if [[ -z ${OURS:-} || -z ${LOAD:-} ]]; then
    cargo build --release --workspace --bins
fi
OURS=${OURS:-$PWD/target/release/signal-fish-server}
LOAD=${LOAD:-$PWD/target/release/signal-fish-loadtest}

install_release() {
    local version=$1
    if [[ ! -x $scratch/$version/bin/signal-fish-server ]]; then
        cargo install --locked --root "$scratch/$version" --target-dir "$scratch/target" \
            signal-fish-server --version "$version"
    fi
}

# Every limit that would stop a load from one address is raised; logs are quiet. Batching only delays messages in the
# releases, but saves them a little CPU, so both ways are offered. 0.2.0 drops silently over four times batch_size.
write_config() {
    local server=$1 port=$2
    local level=error batching=false release='' limits='' rates='' apps='' websocket='' shards=''
    [[ $server == *+batching ]] && batching=true
    case $server in
        0.2.0*) websocket=', "batch_size": 10000, "batch_interval_ms": 16'
                $batching && websocket=', "batch_size": 100, "batch_interval_ms": 16' ;;
        0.12.0*) release=', "max_rooms": 1000000' limits=', "max_connections": 1000000'
                rates=', "max_relay_bytes": 1000000000000, "max_room_relay_bytes": 1000000000000'
                websocket=', "idle_timeout_secs": 3600, "send_queue_capacity": 16384' ;;
        *) level=info batching=true shards='"shards": {"count": 1}, "bind": "127.0.0.1", ' ;;
    esac
    [[ $server == 0.12.0* ]] && apps='"enforce_app_id_allowlist": false' || apps='"require_websocket_auth": false'
    cat <<END
{
  $shards"port": $port,
  "server": {"ping_timeout": 86400, "room_cleanup_interval": 3600, "max_rooms_per_game": 1000000,
             "empty_room_timeout": 86400, "inactive_room_timeout": 86400$release},
  "rate_limit": {"max_room_creations": 100000000, "max_join_attempts": 100000000, "time_window": 60$rates},
  "logging": {"level": "$level", "enable_file_logging": false, "format": "text"},
  "security": {$apps, "require_metrics_auth": false, "cors_origins": "*", "max_connections_per_ip": 1000000$limits},
  "websocket": {"enable_batching": $batching$websocket}
}
END
}

server_pid=
stop_server() {
    [[ -n $server_pid ]] || return 0
    kill "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    server_pid=
}
trap stop_server EXIT

# A fresh process for every measure: memory and tables of one load must not weigh on the next.
start_server() {
    local server=$1
    PORT=$((PORT + 1))
    local config=$scratch/$server.json log=$scratch/$server.log
    write_config "$server" "$PORT" >"$config"
    if [[ $server == ours ]]; then
        taskset -c "$SERVER_CPU" "$OURS" --config "$config" >"$log" 2>&1 &
    else
        (cd "$scratch" && SIGNAL_FISH_CONFIG_PATH=$config exec taskset -c "$SERVER_CPU" \
            "$scratch/${server%+batching}/bin/signal-fish-server") >"$log" 2>&1 &
    fi
    server_pid=$!
    for _ in $(seq 200); do
        (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && return 0
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.05
    done
    echo "$server did not start:" >&2
    tail -5 "$log" >&2
    return 1
}

measure() {
    local name=$1 round=$2
    shift 2
    for server in $SERVERS; do
        start_server "$server" || continue
        echo "--- $name, $server, round $round"
        # A load that found losses ends with 1; its report counts all the same.
        taskset -c "$LOAD_CPU" "$LOAD" "$@" --url "ws://127.0.0.1:$PORT/v2/ws" --server-pid "$server_pid" \
            --json "$results/${name}__${server}__$round.json" 2>"$scratch/progress.log" |
            grep -E '^(delivery|session|cycle|room filled|completed|server|ATTENTION|refused|  rate| .*lost)' || true
        stop_server
        [[ $server != ours ]] || keep_counts "$results/${name}__${server}__${round}__counts.json"
    done
}

# What our server says at its end that it counted.
keep_counts() {
    sed -En 's/.* ended .*messages_out=([0-9]+).* sends=([0-9]+) receives=([0-9]+).*/{"messages_out": \1, "sends": \2, "receives": \3}/p' \
        "$scratch/ours.log" >"$1"
}

for server in $SERVERS; do
    [[ $server == ours ]] || install_release "${server%+batching}"
done

taskset -c "$SERVER_CPU,$LOAD_CPU" "$LOAD" floor --rooms 100 --players 8 --payload 100 --duration 5 \
    --send-cpu "$SERVER_CPU" --receive-cpu "$LOAD_CPU" --json "$results/floor.json"

for round in $(seq "$ROUNDS"); do
    for kind in $MEASURES; do
        case $kind in
            relay) for rate in $RATES; do
                    measure "relay-$(printf %03d "$rate")" "$round" relay --rooms 100 --players 8 --rate "$rate" --duration "$DURATION"
                done ;;
            limit) measure limit "$round" relay --rooms 100 --players 8 --rate 5 --duration 5 --warm-up 1 --drain 2 --find-limit 50 ;;
            idle) measure idle "$round" idle --connections "$IDLE" --duration 3 --warm-up 1 ;;
            churn) measure churn "$round" churn --sessions "$CHURN" ;;
            fill) measure fill "$round" lobby --fill-only --sessions "$FILL" --players 8 ;;
        esac
    done
done

"$LOAD" compare --results "$results" --markdown "$results/comparison.md" --html "$results/comparison.html"
echo "written to $results"
