#!/usr/bin/env bash
# What matchbox costs beside matchbox_server 0.15, in one run: 1,000 rooms of 4 fill, and each pair exchanges an offer, an
# answer and 5 candidates.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/matchbox_costs.sh [--rounds N] [--rooms N] [--server-cpu CPU] [--load-cpu CPU]

Three rounds (or so many), the servers in turn, each on one processor with the generator on another. Fails if we take more
than a third of the processor time of matchbox_server, if the p99 of a signal is worse than its, or if an idle peer takes
more than a tenth of the memory. Only ratios count; leave the machine alone meanwhile.

Builds the release server and the generator, and installs matchbox_server below scratch/.
USAGE
}

case ${1-} in
    -h | --help) usage; exit ;;
esac

cd "$(dirname "$0")/.."
cargo build --release --locked --package signal-fish-server
cargo build --release --locked --package signal-fish-loadtest
other=scratch/matchbox_server
if [[ ! -x $other/bin/matchbox_server ]]; then
    cargo install --locked --root "$other" matchbox_server --version '^0.15'
fi
ulimit -n "$(ulimit -Hn)"
target=${CARGO_TARGET_DIR:-target}/release
exec scripts/url_rooms.py matchbox --server "$target/signal-fish-server" --load "$target/signal-fish-loadtest" "$@"
