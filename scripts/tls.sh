#!/usr/bin/env bash
# TLS as others see it, against the real binary: the scenarios and the official client over TLS 1.2 and 1.3, other
# WebSocket clients over wss://, OpenSSL, curl, Python, Java and headless Chromium, and sslyze, which has to find no weak
# protocol or cipher. One line per claim; fails if one of them does not hold.
#
# SIGNAL_FISH_BINARY=PATH   the server; otherwise the release binary, which is built
# SCRATCH=DIR               where sslyze is installed, once
# SUITES=no                 leave the suites out that run with cargo
# CLIENTS=no                leave out what needs a JDK, Chromium and sslyze: the short form, as in the gate
#
# What is missing is installed: chromium and a JDK from Debian's packages, as root or with sudo, and sslyze from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "tls.sh: FAILED: $*" >&2
    exit 1
}

ok() {
    echo "ok: $*"
}

scratch=${SCRATCH:-$PWD/scratch/tls}
mkdir -p "$scratch"
work=$(mktemp -d)
server=
finish() {
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

binary=${SIGNAL_FISH_BINARY:-}
# The server would take it for a key of the configuration.
unset SIGNAL_FISH_BINARY
if [[ -z $binary ]]; then
    cargo build --locked --release --quiet --package signal-fish-server
    binary=${CARGO_TARGET_DIR:-target}/release/signal-fish-server
fi
binary=$(realpath "$binary")

clients=${CLIENTS:-yes}
missing=()
[[ $clients == no ]] || command -v chromium >/dev/null || missing+=(chromium)
[[ $clients == no ]] || command -v javac >/dev/null || missing+=(default-jdk-headless)
((${#missing[@]} == 0)) || scripts/apt.sh "${missing[@]}"
if [[ $clients != no ]] && ! "$scratch/venv/bin/python" -c 'import sslyze' 2>/dev/null; then
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check 'sslyze==6.3.1'
fi

if [[ ${SUITES:-yes} != no ]]; then
    for version in 1.2 1.3; do
        SIGNAL_FISH_TLS=$version SIGNAL_FISH_BINARY=$binary cargo test --workspace --locked \
            --test every_scenario_holds --test the_official_client_plays_unchanged
    done
fi

certificates=$work/certificates
scripts/dev-certificates.sh "$certificates" >"$work/certificates.log" 2>&1 || { cat "$work/certificates.log"; exit 1; }
SCRATCH=${SCRATCH:+$SCRATCH/interop} CERTIFICATES=$certificates SIGNAL_FISH_BINARY=$binary scripts/interop.sh

cat >"$work/server.json" <<CONFIG
{"logging": {"enable_file_logging": false},
 "security": {"max_connections_per_ip": 1000, "transport": {"tls": {
     "enabled": true, "handshakes_per_sec_per_ip": 1000,
     "certificate_path": "$certificates/server.pem", "private_key_path": "$certificates/server.key"}}}}
CONFIG
: >"$work/server.log"
"$binary" --config "$work/server.json" --bind 127.0.0.1 --port 0 >"$work/server.log" 2>&1 &
server=$!
address=
for _ in {1..200}; do
    address=$(grep -o 'listening on 127\.0\.0\.1:[0-9]*' "$work/server.log" | head -n 1 | cut -d ' ' -f 3) || true
    [[ -n $address ]] && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
[[ -n $address ]] || { cat "$work/server.log" >&2; fail "the server did not start"; }
url=https://$address/healthz
ca=$certificates/ca.pem

# s_client speaks one version each time, verifies the chain and the name, and offers the protocol of HTTP.
for version in tls1_2 tls1_3; do
    printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' |
        openssl s_client -connect "$address" "-$version" -CAfile "$ca" -verify_return_error -verify_hostname localhost \
            -alpn http/1.1 -ign_eof >"$work/s_client" 2>"$work/s_client.err" || { cat "$work/s_client.err" >&2; fail "s_client -$version"; }
    grep -q '^ALPN protocol: http/1.1' "$work/s_client" || fail "s_client -$version: no ALPN"
    grep -q '^HTTP/1.1 200' "$work/s_client" || fail "s_client -$version: no answer"
    ok "openssl s_client -$version: a verified chain, ALPN http/1.1, an answer"
done
if openssl s_client -connect "$address" -alpn h2 </dev/null >"$work/s_client" 2>&1; then
    fail "a client that offers h2 alone was served"
fi
grep -q 'no application protocol' "$work/s_client" || fail "h2 alone: $(grep -i alert "$work/s_client")"
ok "openssl s_client -alpn h2: no_application_protocol"

[[ $(curl --silent --show-error --fail --cacert "$ca" "$url") == OK ]] || fail "curl"
ok "$(curl --version | head -n 1 | cut -d ' ' -f 1,2,4)"

python3 - "$url" "$ca" <<'PYTHON' || fail "Python"
import ssl, sys, urllib.request
url, authorities = sys.argv[1:]
context = ssl.create_default_context(cafile=authorities)
with urllib.request.urlopen(url, context=context, timeout=20) as answer:
    assert answer.read() == b"OK"
print(f"ok: Python {sys.version.split()[0]}, {ssl.OPENSSL_VERSION}")
PYTHON

# What is behind this needs what the short form does not install.
[[ $clients != no ]] || exit 0

keytool -importcert -noprompt -alias authority -file "$ca" -keystore "$work/trust.p12" -storetype PKCS12 \
    -storepass changeit >"$work/keytool.log" 2>&1 || { cat "$work/keytool.log" >&2; fail "keytool"; }
java -Djavax.net.ssl.trustStore="$work/trust.p12" -Djavax.net.ssl.trustStorePassword=changeit \
    scripts/tls/Connect.java "wss://$address/v2/ws" || fail "Java"

# The one certificate that is to be trusted is named by its public key.
key=$(openssl x509 -in "$certificates/server.pem" -noout -pubkey | openssl pkey -pubin -outform DER |
    openssl dgst -sha256 -binary | base64)
timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/chromium" \
    --ignore-certificate-errors-spki-list="$key" --dump-dom "$url" >"$work/page" 2>"$work/chromium.err" ||
    { tail -n 5 "$work/chromium.err" >&2; fail "chromium"; }
grep -q '>OK<' "$work/page" || { cat "$work/page" >&2; fail "chromium showed something else"; }
ok "$(chromium --version 2>/dev/null | tail -n 1)"

"$scratch/venv/bin/python" scripts/tls/scan.py "$address" "$ca" || fail "sslyze"
