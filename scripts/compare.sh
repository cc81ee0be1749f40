#!/usr/bin/env bash
# Runs the same loads against our server and its rivals, in turn, on one machine, and writes tables and charts to
# bench/results/<time>-<revision>/, beside the JSON of every run. The defaults take over an hour.
#
#   scripts/compare.sh [--dirty]       --dirty: run although the tree has changes that are not committed, or fewer than
#                                      three rounds are asked for; the results stay out of the repository
#
# Columns, as SERVERS names them:
#   ours               this tree
#   before             this server at the revision BEFORE
#   before-unbatched   the same without its batching window, for the row beside the floor; relays only
#   bun node go python relays without rules in bench/rivals/: uWebSockets in Bun, ws, gorilla/websocket, websockets
#   0.2.0  0.12.0      the public releases, also as 0.2.0+batching and 0.12.0+batching; they take long to build
#
# The server gets one core (and ours one shard), the generator others. Rounds begin with another server each. No server's
# own protections are what is measured: limits, timers and pings of all of them are raised as far as they go or off. What
# cannot be installed is left out, and said so. Everything is installed and written below scratch/ and bench/results/.
#
# Environment, with defaults:
#   ROUNDS=3         times every measure is taken, servers in turn; fewer only with --dirty
#   DURATION=10      seconds measured per relay run
#   RATES="5 20 40 80 160"   messages per second and player: with 100 rooms of 8, 28,000, 112,000, 224,000, 448,000 and
#                    896,000 deliveries/s
#   MEASURES="relay limit idle churn fill"
#   SERVERS="ours bun node go python 0.12.0 before before-unbatched"
#   BEFORE=7488fb4   revision of before
#   IDLE=8000        connections held, in rooms of 8
#   CHURN=20000      connections made, joined and closed, in rooms of one
#   FILL=1000        rooms of 8 created and filled
#   SERVER_CPU=0     the server's core
#   LOAD_CPU=1       the generator's cores, as taskset lists them; one thread on each
#   PORT=3700        the first server listens on the port after it
#   OURS=, LOAD=     binaries; built with --release when empty
set -euo pipefail
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-3}
DURATION=${DURATION:-10}
RATES=${RATES:-5 20 40 80 160}
MEASURES=${MEASURES:-relay limit idle churn fill}
SERVERS=${SERVERS:-ours bun node go python 0.12.0 before before-unbatched}
BEFORE=${BEFORE:-7488fb4}
IDLE=${IDLE:-8000}
CHURN=${CHURN:-20000}
FILL=${FILL:-1000}
SERVER_CPU=${SERVER_CPU:-0}
LOAD_CPU=${LOAD_CPU:-1}
PORT=${PORT:-3700}

dirty=false
case $*,$# in
    ,0) ;;
    --dirty,1) dirty=true ;;
    *)
        echo "usage: scripts/compare.sh [--dirty]; the rest is set in the environment, see the head of the script" >&2
        exit 2
        ;;
esac
# Earlier results do not change what is measured.
if ! $dirty && [[ -n $(git status --porcelain -- . ':!bench/results') ]]; then
    echo "the tree has changes that are not committed, so the results would belong to no revision: commit, or say --dirty" >&2
    exit 2
fi

if ! $dirty && ((ROUNDS < 3)); then
    echo "fewer than three rounds have no median and no spread: ask for more, or say --dirty" >&2
    exit 2
fi

scratch=$PWD/scratch/compare
if [[ " $SERVERS " == *" before"* ]]; then
    before_revision=$(git rev-parse --verify --quiet --short=12 "$BEFORE^{commit}") || {
        echo "BEFORE=$BEFORE is no revision of this repository" >&2
        exit 2
    }
    before=$scratch/before-$before_revision
fi
results=$PWD/bench/results/$(date -u +%Y%m%dT%H%M%SZ)-$(git describe --always --exclude='*' --abbrev=12)
# Its name keeps it out of the repository (.gitignore).
! $dirty || results+=-dirty
mkdir -p "$scratch" "$results"
ulimit -n "$(ulimit -Hn)"

if [[ -z ${OURS:-} || -z ${LOAD:-} ]]; then
    # Each alone: built together, the server would get the features that the generator wants of what both depend on.
    cargo build --locked --release --package signal-fish-server
    cargo build --locked --release --package signal-fish-loadtest
fi
OURS=${OURS:-$PWD/target/release/signal-fish-server}
LOAD=${LOAD:-$PWD/target/release/signal-fish-loadtest}
threads=$(taskset -c "$LOAD_CPU" nproc)

server_pid=
stop_server() {
    [[ -n $server_pid ]] || return 0
    kill "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    server_pid=
}

# The sources of before, while it is built.
before_source=$scratch/before-source
remove_before_source() {
    [[ ! -e $before_source ]] || git worktree remove --force "$before_source"
}
trap 'stop_server; remove_before_source' EXIT

install_before() {
    [[ ! -x $before ]] || return 0
    remove_before_source
    git worktree add --detach "$before_source" "$before_revision"
    (cd "$before_source" && cargo build --release --locked --bin signal-fish-server --target-dir "$scratch/before-target")
    remove_before_source
    cp "$scratch/before-target/release/signal-fish-server" "$before"
}

before_batches() {
    git show "$before_revision:config.json" | grep -q '"enable_batching"'
}

# npm's package of the platform holds the whole of Bun, so no script of a package has to run.
bun=
install_bun() {
    mkdir -p "$scratch/bun"
    cp "$rivals"/bun/package*.json "$scratch/bun"
    (cd "$scratch/bun" && npm ci --ignore-scripts --no-audit --no-fund)
}
find_bun() {
    local found=("$scratch"/bun/node_modules/@oven/bun-*/bin/bun)
    bun=${found[0]}
}

install_release() {
    local version=$1
    if [[ ! -x $scratch/$version/bin/signal-fish-server ]]; then
        cargo install --locked --root "$scratch/$version" --target-dir "$scratch/target" \
            signal-fish-server --version "$version"
    fi
}

rivals=$PWD/bench/rivals

install_node() {
    mkdir -p "$scratch/node"
    cp "$rivals"/node/* "$scratch/node"
    (cd "$scratch/node" && npm ci --ignore-scripts --no-audit --no-fund)
}

install_go() {
    if ! command -v go >/dev/null || [[ ! -d $go_sources/src/github.com/gorilla/websocket ]]; then
        scripts/apt.sh golang-go golang-github-gorilla-websocket-dev
    fi
    GO111MODULE=off GOPATH=$go_sources GOCACHE=$scratch/go-cache go build -o "$scratch/relay-go" "$rivals/go/relay.go"
}
# Where Debian keeps the sources of its packages.
go_sources=/usr/share/gocode

install_python() {
    [[ -d $scratch/python ]] ||
        python3 -m pip install --quiet --root-user-action ignore --target "$scratch/python" -r "$rivals/python/requirements.txt"
}

install() {
    case $1 in
        ours) ;;
        before | before-unbatched) install_before ;;
        bun | node | go | python) "install_$1" ;;
        *) install_release "${1%+batching}" ;;
    esac
}

version_of() {
    case $1 in
        ours) git describe --always --dirty --exclude='*' --abbrev=12 ;;
        before | before-unbatched) echo "$before_revision" ;;
        bun) "$bun" --version ;;
        node) echo "Node $(node --version), ws $(sed -n 's/.*"ws": "\(.*\)".*/\1/p' "$rivals/node/package.json")" ;;
        go) echo "$(go version | cut -d' ' -f3), gorilla/websocket $(dpkg-query -W -f '${Version}' golang-github-gorilla-websocket-dev)" ;;
        python) echo "$(python3 --version), $(paste -sd' ' "$rivals/python/requirements.txt")" ;;
        *) echo "${1%+batching}" ;;
    esac
}

# What each server is, for the head of the comparison.
versions() {
    local server separator=
    printf '{'
    for server in $SERVERS; do
        printf '%s"%s": "%s"' "$separator" "$server" "$(version_of "$server")"
        separator=', '
    done
    printf '}\n'
}

# Every limit that would stop a load from one address is raised, and every timer that would end a connection; logs are
# quiet, but for the counts that ours leaves at its end. Ours keeps its bounds per client, which no load here reaches.
# Batching only delays messages in the releases, but saves them a little CPU, so both ways are offered. 0.2.0 drops silently
# over four times batch_size.
write_config() {
    local server=$1 port=$2
    local level=error release='' limits='' rates='' apps='"require_websocket_auth": false' shards='' websocket=''
    local batching=false
    [[ $server != *+batching ]] || batching=true
    case $server in
        ours | before | before-unbatched)
            level=info
            shards='"shards": {"count": 1}, "bind": "127.0.0.1", '
            [[ $server != before-unbatched ]] || websocket='"enable_batching": false'
            ;;
        0.2.0*)
            local size=10000
            ! $batching || size=100
            websocket="\"enable_batching\": $batching, \"batch_interval_ms\": 16, \"batch_size\": $size"
            ;;
        0.12.0*)
            release=', "max_rooms": 1000000'
            limits=', "max_connections": 1000000'
            rates=', "max_relay_bytes": 1000000000000, "max_room_relay_bytes": 1000000000000'
            rates+=', "max_signals": 100000000, "max_signal_errors": 100000000, "max_inbound_error_replies": 100000000'
            apps='"enforce_app_id_allowlist": false'
            # Pings are off, the kernel sizes the buffers, and who reads slowly has the ten minutes that are the most.
            websocket="\"enable_batching\": $batching, \"idle_timeout_secs\": 0, \"server_ping_interval_secs\": 0"
            websocket+=', "pong_timeout_secs": 3600, "socket_send_buffer_bytes": 0, "send_queue_capacity": 16384'
            websocket+=', "control_queue_capacity": 16384, "slow_consumer_timeout_ms": 600000, "max_sojourn_ms": 600000'
            ;;
    esac
    cat <<END
{
  $shards"port": $port,
  "server": {"ping_timeout": 86400, "room_cleanup_interval": 3600, "max_rooms_per_game": 1000000,
             "empty_room_timeout": 86400, "inactive_room_timeout": 86400$release},
  "rate_limit": {"max_room_creations": 100000000, "max_join_attempts": 100000000, "time_window": 60$rates},
  "logging": {"level": "$level", "enable_file_logging": false, "format": "text"},
  "security": {$apps, "require_metrics_auth": false, "cors_origins": "*", "max_connections_per_ip": 1000000$limits},
  "websocket": {$websocket}
}
END
}

# Becomes the server. It runs in scratch/, where what it writes does no harm.
become() {
    local server=$1 config=$2 port=$3
    cd "$scratch"
    case $server in
        ours) exec taskset -c "$SERVER_CPU" "$OURS" --config "$config" ;;
        before | before-unbatched) exec taskset -c "$SERVER_CPU" "$before" --config "$config" ;;
        bun) PORT=$port exec taskset -c "$SERVER_CPU" "$bun" "$rivals/bun/relay.js" ;;
        node) PORT=$port exec taskset -c "$SERVER_CPU" node "$scratch/node/relay.mjs" ;;
        go) PORT=$port exec taskset -c "$SERVER_CPU" "$scratch/relay-go" ;;
        python) PORT=$port PYTHONPATH=$scratch/python exec taskset -c "$SERVER_CPU" python3 "$rivals/python/relay.py" ;;
        *) SIGNAL_FISH_CONFIG_PATH=$config exec taskset -c "$SERVER_CPU" \
            "$scratch/${server%+batching}/bin/signal-fish-server" ;;
    esac
}

# A fresh process for every measure: memory and tables of one load must not weigh on the next.
start_server() {
    local server=$1
    PORT=$((PORT + 1))
    local config=$scratch/$server.json log=$scratch/$server.log
    write_config "$server" "$PORT" >"$config"
    (become "$server" "$config" "$PORT") >"$log" 2>&1 &
    server_pid=$!
    for _ in $(seq 200); do
        (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && return 0
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.05
    done
    echo "$server did not start:" >&2
    tail -5 "$log" >&2
    stop_server
    return 1
}

# The servers in the order of a round: each round begins with the next.
turns() {
    local servers first
    read -ra servers <<<"$SERVERS"
    first=$((($1 - 1) % ${#servers[@]}))
    echo "${servers[@]:first}" "${servers[@]:0:first}"
}

measure() {
    local name=$1 round=$2
    shift 2
    for server in $(turns "$round"); do
        [[ $server != before-unbatched || $name == relay-* ]] || continue
        start_server "$server" || continue
        echo "--- $name, $server, round $round"
        # A load that found losses ends with 1; its report counts all the same.
        taskset -c "$LOAD_CPU" "$LOAD" "$@" --url "ws://127.0.0.1:$PORT/v2/ws" --server-pid "$server_pid" \
            --threads "$threads" --brief --json "$results/${name}__${server}__$round.json" 2>"$scratch/progress.log" |
            grep -E '^(delivery|session|cycle|room filled|completed|server|ATTENTION|refused|  rate| .*lost)' || true
        stop_server
        case $server in
            ours | before | before-unbatched)
                keep_counts "$server" "$results/${name}__${server}__${round}__counts.json"
                ;;
        esac
    done
}

# What our server says at its end that it counted.
keep_counts() {
    sed -En 's/.* ended .*messages_out=([0-9]+).* sends=([0-9]+) receives=([0-9]+).*/{"messages_out": \1, "sends": \2, "receives": \3}/p' \
        "$scratch/$1.log" >"$2"
}

if [[ " $SERVERS " == *" before-unbatched "* ]] && ! before_batches; then
    echo "$before_revision has no batching window: before-unbatched is left out"
    SERVERS=" $SERVERS "
    SERVERS=${SERVERS/ before-unbatched / }
fi
installed=
for server in $SERVERS; do
    # As a condition it would not end at its first failure.
    set +e
    (set -e; install "$server") >"$scratch/install-$server.log" 2>&1
    failed=$?
    set -e
    if ! ((failed)); then
        installed+=" $server"
    elif [[ $server == ours || $server == before* ]]; then
        tail "$scratch/install-$server.log" >&2
        exit 1
    else
        tail -3 "$scratch/install-$server.log" >&2
        echo "ATTENTION: $server could not be installed and is left out"
    fi
done
SERVERS=${installed# }
find_bun
versions >"$results/versions.json"

taskset -c "$SERVER_CPU,$LOAD_CPU" "$LOAD" floor --rooms 100 --players 8 --payload 100 --duration 5 \
    --send-cpu "$SERVER_CPU" --receive-cpu "${LOAD_CPU%%[,-]*}" --json "$results/floor.json"

relay=(relay --rooms 100 --players 8 --payload 100)
for round in $(seq "$ROUNDS"); do
    for kind in $MEASURES; do
        case $kind in
            relay) for rate in $RATES; do
                    measure "relay-$(printf %03d "$rate")" "$round" "${relay[@]}" --rate "$rate" --duration "$DURATION" --warm-up 3
                done ;;
            limit) measure limit "$round" "${relay[@]}" --rate 5 --duration 5 --warm-up 1 --drain 2 --find-limit 50 ;;
            idle) measure idle "$round" idle --connections "$IDLE" --duration 3 --warm-up 1 ;;
            churn) measure churn "$round" churn --sessions "$CHURN" ;;
            fill) measure fill "$round" lobby --fill-only --sessions "$FILL" --players 8 ;;
            *)
                echo "there is no measure $kind" >&2
                exit 2
                ;;
        esac
    done
done

"$LOAD" compare --results "$results" --markdown "$results/comparison.md" --html "$results/comparison.html"
echo "written to $results"
