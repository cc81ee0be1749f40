#!/usr/bin/env bash
# A program outside the workspace has the server by its path: it is checked with the features of the server on, off and one by
# one, and its test is run. The program is the example that keeps rooms in SQLite, tests/outside. Builds what it needs into
# target/outside; the first run takes minutes, which is why it is no part of the checks of every change.
set -euo pipefail

case ${1-} in
    '') ;;
    -h | --help) sed -n '2,4s/^# //p' "$0"; exit ;;
    *) echo "usage: scripts/outside.sh" >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
outside() {
    echo "cargo $*"
    cargo "$1" --locked --quiet --manifest-path tests/outside/Cargo.toml --target-dir target/outside "${@:2}"
}

outside check --no-default-features
outside check --no-default-features --features tls
outside check --no-default-features --features cli
outside test
