#!/usr/bin/env bash
# Plays the property tests with seeds that nobody chose, until one fails or the given number of rounds is over.
#
#   scripts/properties.sh [rounds, default 10]
#
# `cargo test` plays one fixed seed (.cargo/config.toml). A failure names the seed with which it comes again.
set -euo pipefail
cd "$(dirname "$0")/.."

output=$(mktemp)
trap 'rm -f "$output"' EXIT
rounds=${1:-10}
packages=(signal-fish-core signal-fish-simulator signal-fish-server)

# Every test target that holds a property; a unit test counts as part of its library.
targets=()
while read -r file; do
    case $file in
    */tests/*.rs | tests/*.rs) targets+=(--test "$(basename "$file" .rs)") ;;
    esac
done < <(grep --recursive --files-with-matches --include='*.rs' 'proptest! {' shards tests)

packed=()
for package in "${packages[@]}"; do packed+=(--package "$package"); done
cargo test --locked --quiet "${packed[@]}" --lib "${targets[@]}" --no-run

for round in $(seq "$rounds"); do
    seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
    if ! PROPTEST_RNG_SEED=$seed cargo test --locked --quiet "${packed[@]}" --lib "${targets[@]}" >"$output" 2>&1; then
        cat "$output"
        echo "failed with PROPTEST_RNG_SEED=$seed" >&2
        exit 1
    fi
    echo "round $round of $rounds: seed $seed passed"
done
