#!/usr/bin/env bash
# Installs Debian packages without a question, and is silent unless that fails: scripts/apt.sh PACKAGE...
set -euo pipefail

(($#)) || { echo "usage: scripts/apt.sh PACKAGE..." >&2; exit 2; }
command -v apt-get >/dev/null || { echo "apt.sh: there is no apt-get: install $* by other means" >&2; exit 1; }
as_root=()
((EUID == 0)) || as_root=(sudo -n)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Some packages would start a service; at RUNLEVEL 1 they do not.
install() {
    "${as_root[@]}" apt-get -o Acquire::Retries=3 update -q &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o Acquire::Retries=3 install -y -q --no-install-recommends "$@"
}

if ! install "$@" >"$log" 2>&1; then
    cat "$log" >&2
    echo "apt.sh: could not install $*" >&2
    exit 1
fi
