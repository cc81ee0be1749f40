#!/usr/bin/env bash
# What TLS costs: memory of an idle connection, processor time of a delivery, a handshake beside bare rustls, and what a flood
# of handshakes does to players; each beside its bound.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/tls_costs.sh [--rounds N] [--duration SECONDS] [--server-cpu CPU] [--load-cpu CPU]

One server on one processor, the generator on another. Fails if a bound is missed. Only ratios and differences count; leave
the machine alone meanwhile.

Builds the release server, the generator and the bench of handshakes.
USAGE
}

case ${1-} in
    -h | --help) usage; exit ;;
esac

cd "$(dirname "$0")/.."
cargo build --release --locked --package signal-fish-server
cargo build --release --locked --package signal-fish-loadtest
cargo build --release --locked --package signal-fish-bench --bin tls_handshake
ulimit -n "$(ulimit -Hn)"
target=${CARGO_TARGET_DIR:-target}/release
good=true
"$target/tls_handshake" || good=false
scripts/tls_costs.py --server "$target/signal-fish-server" --load "$target/signal-fish-loadtest" "$@" || good=false
$good
