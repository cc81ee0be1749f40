#!/usr/bin/env bash
# Clients written by others against the real server: Node's `ws` and Python's `websockets`, each with two clients that
# create a room, join it, exchange messages each way and leave. One line per client; fails if one of them fails. Then the
# clients of docs/clients.md, as they stand there.
#
# SIGNAL_FISH_BINARY=PATH   the server; otherwise the release binary, which is built
# COUNT=1000                messages each way
# SCRATCH=DIR               where the two packages are installed, once
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=${SCRATCH:-$PWD/scratch/interop}
count=${COUNT:-1000}
mkdir -p "$scratch"

binary=${SIGNAL_FISH_BINARY:-}
# The server would take it for a key of the configuration.
unset SIGNAL_FISH_BINARY
if [[ -z $binary ]]; then
    cargo build --locked --release --quiet --package signal-fish-server
    binary=${CARGO_TARGET_DIR:-target}/release/signal-fish-server
fi

if [[ ! -d $scratch/node_modules/ws ]]; then
    npm install --silent --no-save --no-audit --no-fund --prefix "$scratch" ws@8 >"$scratch/npm.log" 2>&1 ||
        { cat "$scratch/npm.log" >&2; exit 1; }
fi
if [[ ! -x $scratch/venv/bin/python ]] || ! "$scratch/venv/bin/python" -c 'import websockets' 2>/dev/null; then
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check 'websockets>=14,<17'
fi

printf '{"logging": {"enable_file_logging": false}}\n' >"$scratch/server.json"
# The log of the last run names another port.
: >"$scratch/server.log"
"$binary" --config "$scratch/server.json" --port 0 --bind 127.0.0.1 >"$scratch/server.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT

address=
for _ in $(seq 100); do
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

failed=0
INTEROP_MODULES=$scratch node scripts/interop/node.mjs "ws://$address/v2/ws" "$count" || failed=1
"$scratch/venv/bin/python" scripts/interop/python.py "ws://$address/v2/ws" "$count" || failed=1

# The only block of that language in docs/clients.md, with this server in it.
block() {
    awk -v fence='```'"$1" '$0 == fence { on = 1; next } $0 == "```" { on = 0 } on' docs/clients.md |
        sed "s/127\.0\.0\.1:3536/$address/"
}
# Beside the packages, where Node looks for them.
block js >"$scratch/guide.mjs"
block python >"$scratch/guide.py"
for guide in "node $scratch/guide.mjs" "$scratch/venv/bin/python $scratch/guide.py"; do
    read -ra command <<<"$guide"
    said=$(timeout 60 "${command[@]}") || failed=1
    if [[ $said != "Bob heard"*e2e4*"Ada heard"*e7e5* ]]; then
        echo "docs/clients.md: $guide said: $said" >&2
        failed=1
    fi
done
((failed)) || echo "docs/clients.md: its clients play in JavaScript and Python"
exit "$failed"
