#!/usr/bin/env bash
# The pages in headless Chromium, against the real server: a whole session on the playground by keyboard alone, the
# dashboard under load, administration. Fails if a page does not do what it should, writes an error to its console, breaks
# its policy, asks another server for anything, or cannot be read (axe-core, in dark and light). Then the client of the README,
# opened from disk. About a minute.
#
# scripts/pages.sh [FOLDER]   with a folder, screenshots stay there
#
# SIGNAL_FISH_BINARY=PATH   the server; otherwise the release binary, which is built
# LOADTEST=PATH             the load generator; otherwise it is built
# SCRATCH=DIR               where playwright-core and axe-core are installed, once
# CHROMIUM=PATH             the browser; otherwise Debian's, which is installed as root or with sudo
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=${SCRATCH:-$PWD/scratch/pages}
folder=${1:-}
mkdir -p "$scratch" ${folder:+"$folder"}

binary=${SIGNAL_FISH_BINARY:-}
# The server would take it for a key of the configuration.
unset SIGNAL_FISH_BINARY
if [[ -z $binary ]]; then
    cargo build --locked --release --quiet --package signal-fish-server
    binary=${CARGO_TARGET_DIR:-target}/release/signal-fish-server
fi
if [[ -z ${LOADTEST:-} ]]; then
    cargo build --locked --quiet --package signal-fish-loadtest
    LOADTEST=${CARGO_TARGET_DIR:-target}/debug/signal-fish-loadtest
fi
export LOADTEST

CHROMIUM=${CHROMIUM:-$(command -v chromium || true)}
if [[ -z $CHROMIUM ]]; then
    scripts/apt.sh chromium fonts-dejavu-core
    CHROMIUM=$(command -v chromium)
fi
export CHROMIUM
if [[ ! -d $scratch/node_modules/playwright-core || ! -d $scratch/node_modules/axe-core ]]; then
    npm install --silent --no-save --no-audit --no-fund --prefix "$scratch" playwright-core@1 axe-core@4 \
        >"$scratch/npm.log" 2>&1 || { cat "$scratch/npm.log" >&2; exit 1; }
fi

running=()
stop_all() {
    local process
    for process in "${running[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
}
trap stop_all EXIT

# Starts a server with these settings more in `security`. Sets $address.
start_server() {
    local name=$1 more=$2
    printf '{"logging": {"enable_file_logging": false}, "shards": {"count": 2, "pin": false},
             "rate_limit": {"max_room_creations": 1000000, "max_join_attempts": 1000000},
             "security": {"max_connections_per_ip": 1000000%s}}\n' "$more" >"$scratch/$name.json"
    # The log of the last run names another port.
    : >"$scratch/$name.log"
    "$binary" --config "$scratch/$name.json" --port 0 --bind 127.0.0.1 >"$scratch/$name.log" 2>&1 &
    running+=($!)
    address=
    for _ in $(seq 100); do
        address=$(grep -o 'listening on 127\.0\.0\.1:[0-9]*' "$scratch/$name.log" | head -n 1 | cut -d ' ' -f 3) || true
        [[ -n $address ]] && return
        kill -0 "${running[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server did not start:" >&2
    cat "$scratch/$name.log" >&2
    exit 1
}

export ADMIN_TOKEN=an-admin-token-of-a-test METRICS_TOKEN=a-metrics-token-of-a-test
start_server open ", \"admin_token\": \"$ADMIN_TOKEN\""
open=$address
start_server guarded ", \"require_metrics_auth\": true, \"metrics_auth_token\": \"$METRICS_TOKEN\""
guarded=$address

PAGES_MODULES=$scratch node scripts/pages/run.mjs "http://$open" "http://$guarded" ${folder:+"$folder"}
