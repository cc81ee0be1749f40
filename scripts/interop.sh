#!/usr/bin/env bash
# Clients written by others against the real server: Node's `ws` and Python's `websockets`, each with two clients that
# create a room, join it, exchange messages each way and leave. One line per client; fails if one of them fails. Then all
# clients in the documents, as they stand there.
#
# SIGNAL_FISH_BINARY=PATH   the server; otherwise the release binary, which is built
# COUNT=1000                messages each way
# CERTIFICATES=DIR          over wss://, with what scripts/dev-certificates.sh wrote there
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

scheme=ws security=
if [[ -n ${CERTIFICATES:-} ]]; then
    scheme=wss
    security=$(printf '"enabled": true, "certificate_path": "%s/server.pem", "private_key_path": "%s/server.key"' \
        "$CERTIFICATES" "$CERTIFICATES")
    export NODE_EXTRA_CA_CERTS=$CERTIFICATES/ca.pem SSL_CERT_FILE=$CERTIFICATES/ca.pem
fi
printf '{"logging": {"enable_file_logging": false}, "security": {"transport": {"tls": {%s}}}}\n' "$security" \
    >"$scratch/server.json"
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
INTEROP_MODULES=$scratch node scripts/interop/node.mjs "$scheme://$address/v2/ws" "$count" || failed=1
"$scratch/venv/bin/python" scripts/interop/python.py "$scheme://$address/v2/ws" "$count" || failed=1

# What the documents show, as it stands there, with this server in it. Beside the packages, where Node looks for them.
mkdir -p "$scratch/blocks"
rm -f "$scratch"/blocks/*
mapfile -t blocks < <(scripts/interop/blocks.py "$scratch/blocks" "$scheme://$address")
for block in "${blocks[@]}"; do
    program=node
    [[ $block != *.py ]] || program=$scratch/venv/bin/python
    expected='*e4*'
    [[ $block != */clients-* ]] || expected='Bob heard*e2e4*Ada heard*e7e5*'
    ended=0
    said=$(timeout 60 "$program" "$block" 2>&1) || ended=$?
    # shellcheck disable=SC2053 # a pattern
    if ((ended)) || [[ $said != $expected ]]; then
        failed=1
        echo "$block ended with $ended and said: $said" >&2
    fi
done
if ((${#blocks[@]} < 3)); then
    failed=1
    echo "the documents have only ${#blocks[@]} clients" >&2
fi
((failed)) || echo "${#blocks[@]} clients of the documents play in Python and JavaScript"
exit "$failed"
