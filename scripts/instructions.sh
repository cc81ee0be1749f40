#!/usr/bin/env bash
# Counts the instructions of every path of the bench crate with callgrind and compares them with bench/instructions.json.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/instructions.sh [--update]

  --update    write the counts to bench/instructions.json instead of comparing them

Every path may cost 3 % more or less than what is committed; a change that makes one cheaper or dearer on purpose commits
new counts along with it. The counts do not depend on load or clock speed. They depend on the compiler, and a little on the
processor: valgrind shows programs one of a few model processors, the best that the real one can follow, and memcpy and
its like choose their code by that. Any x86-64 processor with AVX2 gives the same counts.

Installs valgrind with apt-get if it is missing; needs python3.
USAGE
}

update=
while (($#)); do
    case $1 in
        --update) update=--update ;;
        -h | --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || scripts/apt.sh valgrind

cargo build --locked --release --quiet --package signal-fish-bench --bin count_path
program=${CARGO_TARGET_DIR:-target}/release/count_path
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# An empty environment and the fixed address of the stack keep alignments, and with them the work of memcpy, the same.
# The counters are written out and start again where each call of `measured` begins and where it ends, so that every second
# dump holds one path. (Collecting inside of it alone would keep callgrind from dumping when it returns.)
env -i LC_ALL=C "$(command -v valgrind)" --quiet --tool=callgrind --callgrind-out-file="$work/counts" \
    --dump-before='count_path::measured' --dump-after='count_path::measured' "$program" >"$work/paths"

python3 scripts/instructions.py "$work" bench/instructions.json $update
