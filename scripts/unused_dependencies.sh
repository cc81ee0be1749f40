#!/usr/bin/env bash
# Fails if a crate of the workspace declares a dependency that its code does not use.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/unused_dependencies.sh

Installs cargo-machete into target/tools if it is missing.
USAGE
}

version=0.9.2
case ${1-} in
    '') ;;
    -h | --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
tools=$PWD/target/tools
machete=$tools/bin/cargo-machete
if [[ "$("$machete" --version 2>/dev/null)" != *"$version" ]]; then
    # The tool need not be fast; it should be there soon.
    CARGO_PROFILE_DEV_DEBUG=none \
        cargo install --quiet --debug cargo-machete --locked --version "$version" --root "$tools"
fi

"$machete" --skip-target-dir .
