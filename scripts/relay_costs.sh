#!/usr/bin/env bash
# What a delivery of the room relay costs beside one of Signal Fish game data, in one run: 100 rooms of 8, 300 bytes,
# 112,000 deliveries a second; and the same with tokens.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/relay_costs.sh [--rounds N] [--rate N] [--duration SECONDS] [--server-cpu CPU] [--load-cpu CPU]

Three rounds (or so many), both loads in turn against one server on one processor, with the generator on another. Fails if a
delivery of the relay takes more than 1.1 times the processor time of one of game data. Only ratios count; leave the machine
alone meanwhile.

Builds the release server and the generator.
USAGE
}

case ${1-} in
    -h | --help) usage; exit ;;
esac

cd "$(dirname "$0")/.."
cargo build --release --locked --package signal-fish-server
cargo build --release --locked --package signal-fish-loadtest
ulimit -n "$(ulimit -Hn)"
target=${CARGO_TARGET_DIR:-target}/release
exec scripts/url_rooms.py relay --server "$target/signal-fish-server" --load "$target/signal-fish-loadtest" "$@"
