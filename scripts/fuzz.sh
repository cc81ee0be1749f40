#!/usr/bin/env bash
# Feeds the parsers, the configuration and whole sessions with inputs that a fuzzer makes up.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/fuzz.sh [TARGET|all] [SECONDS]
       scripts/fuzz.sh --keep TARGET

Fuzzes one target, or one after the other, for so many seconds each (60). The targets are the folders of fuzz/corpus.

  --keep   adds to fuzz/corpus what earlier runs found and no file there reaches; as few files as possible

An input that breaks a promise is left in fuzz/artifacts/TARGET. Give it a name, move it to fuzz/regressions/TARGET and
commit it with the fix: the tests replay that folder. What else was found is kept in scratch/fuzz between runs.

Needs a C++ compiler. Installs cargo-fuzz into target/tools if it is missing.
USAGE
}

fail() {
    echo "fuzz.sh: $*" >&2
    exit 1
}

keep=false
case ${1-} in
    -h | --help) usage; exit ;;
    --keep) keep=true; shift; [[ $# == 1 ]] || { usage >&2; exit 2; } ;;
    -*) usage >&2; exit 2 ;;
esac
[[ $# -le 2 ]] || { usage >&2; exit 2; }
target=${1-all}
seconds=${2-60}
[[ $seconds =~ ^[0-9]+$ ]] || { usage >&2; exit 2; }

cd "$(dirname "$0")/.."
if [[ $target == all ]]; then
    targets=(fuzz/corpus/*)
    targets=("${targets[@]##*/}")
else
    [[ -d fuzz/corpus/$target ]] || fail "there is no target $target."
    targets=("$target")
fi

version=0.13.2
tools=$PWD/target/tools
fuzz=$tools/bin/cargo-fuzz
if [[ "$("$fuzz" --version 2>/dev/null)" != *"$version" ]]; then
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo install --quiet cargo-fuzz --locked --version "$version" --root "$tools"
fi

# Sanitizers need a nightly compiler and would find little: the code of this repository is free of `unsafe`.
run() {
    "$fuzz" run --sanitizer none --target-dir target/fuzz "$@"
}

for target in "${targets[@]}"; do
    found=scratch/fuzz/$target
    corpus=fuzz/corpus/$target
    mkdir -p "$found"
    if $keep; then
        run "$target" "$corpus" "$found" -- -set_cover_merge=1 -use_counters=0
        continue
    fi
    arguments=(-max_total_time="$seconds" -timeout=10 -print_final_stats=1)
    dictionary=fuzz/dictionaries/$target
    [[ -f $dictionary ]] && arguments+=(-dict="$dictionary")
    folders=("$found" "$corpus")
    [[ -d fuzz/regressions/$target ]] && folders+=("fuzz/regressions/$target")
    printf '\n== %s for %s s\n' "$target" "$seconds"
    run "$target" "${folders[@]}" -- "${arguments[@]}"
done
