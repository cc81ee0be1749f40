#!/usr/bin/env bash
# What attackers cost others, as ratios within one run. The figures and their bounds stand in scripts/attacks/measure.py.
# Ends with 1 if one is clearly missed. Wants a quiet machine with at least two processors: the server has the first, attackers
# and load share the second. Every figure is the median of the rounds.
#
#   scripts/attacks.sh [ROUNDS]   default 5; a round takes about 40 s
#
# SIGNAL_FISH_BINARY=PATH     the server; otherwise the release binary, which is built
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-5}
[[ $rounds =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/attacks.sh [ROUNDS]" >&2; exit 2; }
target=${CARGO_TARGET_DIR:-target}/release
binary=${SIGNAL_FISH_BINARY:-}
# The server would take it for a key of the configuration.
unset SIGNAL_FISH_BINARY
if [[ -z $binary ]]; then
    cargo build --locked --release --quiet --package signal-fish-server
    binary=$target/signal-fish-server
fi
cargo build --locked --release --quiet --package signal-fish-loadtest
cargo build --locked --release --quiet --package signal-fish-bench --bin attack
ulimit -n "$(ulimit -Hn)"
exec scripts/attacks/measure.py --server "$binary" --loadtest "$target/signal-fish-loadtest" --attack "$target/attack" \
    --rounds "$rounds"
