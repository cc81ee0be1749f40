#!/usr/bin/env bash
# Three nodes share the rooms of the relay through a real Redis: what clients see is what one node shows them, a node is
# killed, Redis stops for a while and comes back empty. One line per claim; fails if one of them does not hold.
#
# Debian's redis-server is installed if it is missing, as root or with sudo, and Valkey where it is packaged. Every server that
# is found is used, each as the user who runs this, on a port of its own. Takes about 50 seconds for each without building.
#
# SIGNAL_FISH_BINARY=PATH   the server; otherwise the release binary, which is built
# REDIS_SERVERS="A B"       the servers of Redis or Valkey; otherwise those that are installed
# OUTAGE_SECS=N             how long Redis is stopped (default 5)
# SCRATCH=DIR               where Python's `websockets` is installed, once
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "cluster.sh: $*" >&2
    exit 1
}

scratch=${SCRATCH:-$PWD/scratch/interop}
outage=${OUTAGE_SECS:-5}
PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

binary=${SIGNAL_FISH_BINARY:-}
# The server would take it for a key of the configuration.
unset SIGNAL_FISH_BINARY
if [[ -z $binary ]]; then
    cargo build --locked --release --quiet --package signal-fish-server
    binary=${CARGO_TARGET_DIR:-target}/release/signal-fish-server
fi
binary=$(realpath "$binary")
if [[ -z ${REDIS_SERVERS:-} ]]; then
    if ! command -v redis-server >/dev/null; then
        scripts/apt.sh redis-server || fail "not installed: redis-server"
        if apt-cache show valkey-server >/dev/null 2>&1; then
            scripts/apt.sh valkey-server || fail "could not be installed: valkey-server"
        fi
    fi
    REDIS_SERVERS=
    for server in redis-server valkey-server; do
        command -v "$server" >/dev/null && REDIS_SERVERS+=" $server"
    done
fi
mkdir -p "$scratch"
if [[ ! -x $scratch/venv/bin/python ]] || ! "$scratch/venv/bin/python" -c 'import websockets' 2>/dev/null; then
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check 'websockets>=14,<17'
fi
for server in $REDIS_SERVERS; do
    "$scratch/venv/bin/python" scripts/cluster/claims.py "$binary" "$server" "$outage"
done
