#!/usr/bin/env bash
# Talks to the server, and to another one for comparison, with matchbox_socket 0.15, the client that games use.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/matchbox.sh [URL]

Without a URL the release server is built and started with its listener for matchbox. With one, such as
ws://127.0.0.1:3536 of matchbox_server, that server is checked instead.

The client brings about 300 crates in a workspace of its own, scripts/matchbox: the first run takes minutes. It is therefore
not part of the checks of every change.
USAGE
}

case ${1-} in
    -h | --help) usage; exit ;;
esac

cd "$(dirname "$0")/.."
cargo build --manifest-path scripts/matchbox/Cargo.toml
client=scripts/matchbox/target/debug/matchbox-interop
if [[ -n ${CARGO_TARGET_DIR-} ]]; then
    client=$CARGO_TARGET_DIR/debug/matchbox-interop
fi
if [[ -n ${1-} ]]; then
    exec "$client" "$1"
fi

server=${SIGNAL_FISH_BINARY-}
if [[ -z $server ]]; then
    cargo build --release
    server=target/release/signal-fish-server
fi
log=$(mktemp)
SIGNAL_FISH_MATCHBOX__ENABLED=true SIGNAL_FISH_MATCHBOX__PORT=0 SIGNAL_FISH_LOGGING__ENABLE_FILE_LOGGING=false \
    SIGNAL_FISH_SECURITY__MAX_CONNECTIONS_PER_IP=100 "$server" --bind 127.0.0.1 --port 0 >"$log" 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; rm -f "$log"' EXIT
address=
for _ in {1..100}; do
    address=$(sed -n 's/.*matchbox listens on \([0-9.:]*\).*/\1/p' "$log" | head -n 1)
    [[ -n $address ]] && break
    sleep 0.1
done
if [[ -z $address ]]; then
    cat "$log" >&2
    exit 1
fi
"$client" "ws://$address"
