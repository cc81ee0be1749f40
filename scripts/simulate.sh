#!/usr/bin/env bash
# Plays random schedules on the simulator until one fails, and shrinks it.
#
# usage: scripts/simulate.sh [MINUTESm | SEEDS] [--from SEED]
#   scripts/simulate.sh                  random seeds until one fails or this is stopped
#   scripts/simulate.sh 5m               for five minutes
#   scripts/simulate.sh 10000            so many seeds
#   scripts/simulate.sh 10000 --from 1   seeds 1, 2, 3, …
set -euo pipefail
cd "$(dirname "$0")/.."
# Not quietly: building takes minutes where it waits for another build, and would look like a seed that never ends.
cargo build --locked --profile simulate --package signal-fish-simulator --bin simulate
exec "${CARGO_TARGET_DIR:-target}/simulate/simulate" "$@"
