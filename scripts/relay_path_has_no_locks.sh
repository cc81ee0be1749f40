#!/usr/bin/env bash
# Checks, instruction by instruction, that relaying a message takes no lock and does nothing that another core would see.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/relay_path_has_no_locks.sh [--server]

  --server    look at the running server, too: a shard under relay load, glommio and the flusher included

Runs the relay under callgrind, which writes down every instruction that was carried out, and looks each of them up in the
disassembly. Fails if one of them is locked (lock prefix, xchg with memory, mfence). A mutex, a channel and an atomic that
is written all come down to these; counts of Rc do not. Fails, too, if a message to a hundred members allocates more often
than one to eight.

With --server the shard's thread may carry out locked instructions in the functions that relay_path_has_no_locks.py names:
core-local reference counts of wakers. Needs valgrind, objdump and python3.
USAGE
}

server=false
while (($#)); do
    case $1 in
        --server) server=true ;;
        -h | --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

cd "$(dirname "$0")/.."
work=$(mktemp -d)
background=()
finish() {
    for pid in "${background[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap finish EXIT
release=${CARGO_TARGET_DIR:-target}/release
callgrind=("$(command -v valgrind)" --quiet --tool=callgrind --dump-instr=yes --compress-strings=no --compress-pos=no)

cargo build --release --quiet -p signal-fish-bench --bin count_path
env -i LC_ALL=C "${callgrind[@]}" --callgrind-out-file="$work/counts" \
    --dump-before='count_path::measured' --dump-after='count_path::measured' "$release/count_path" relay/ >"$work/paths"
python3 scripts/relay_path_has_no_locks.py core "$work"
