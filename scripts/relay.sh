#!/usr/bin/env bash
# Sets up a real WebRTC data channel between two peers of simple-peer, who signal through the room relay.
#
# SIGNAL_FISH_BINARY=PATH   the server; otherwise the release binary, which is built
# SCRATCH=DIR               where simple-peer, ws and a WebRTC for Node are installed, once
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=${SCRATCH:-$PWD/scratch/relay}
mkdir -p "$scratch"

binary=${SIGNAL_FISH_BINARY:-}
# The server would take it for a key of the configuration.
unset SIGNAL_FISH_BINARY
if [[ -z $binary ]]; then
    cargo build --locked --release --quiet --package signal-fish-server
    binary=${CARGO_TARGET_DIR:-target}/release/signal-fish-server
fi
if [[ ! -d $scratch/node_modules/simple-peer || ! -d $scratch/node_modules/@roamhq/wrtc || ! -d $scratch/node_modules/ws ]]; then
    npm install --silent --no-save --no-audit --no-fund --prefix "$scratch" simple-peer@9 @roamhq/wrtc@0.10 ws@8 \
        >"$scratch/npm.log" 2>&1 || { cat "$scratch/npm.log" >&2; exit 1; }
fi

printf '{"logging": {"enable_file_logging": false}, "relay": {"enabled": true, "port": 0}}\n' >"$scratch/server.json"
: >"$scratch/server.log"
"$binary" --config "$scratch/server.json" --port 0 --bind 127.0.0.1 >"$scratch/server.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT

address=
for _ in $(seq 100); do
    address=$(sed -n 's/.*relay listens on \([0-9.:]*\).*/\1/p' "$scratch/server.log" | head -n 1)
    [[ -n $address ]] && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
if [[ -z $address ]]; then
    echo "the server did not start:" >&2
    cat "$scratch/server.log" >&2
    exit 1
fi
RELAY_MODULES=$scratch node scripts/relay/peers.mjs "ws://$address"
