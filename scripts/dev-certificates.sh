#!/usr/bin/env bash
# Makes an authority, a certificate for the server and one for a client, for trying TLS out. Needs openssl.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/dev-certificates.sh [DIRECTORY]

Writes to DIRECTORY (default: certificates):

  ca.pem                    the authority; clients are told to trust it
  server.pem server.key     the server, for localhost, 127.0.0.1 and ::1
  client.pem client.key     a client, for security.transport.tls.client_auth

ECDSA P-256, valid for 30 days. The key of the authority is thrown away, so nothing else can be signed by it.
USAGE
}

case ${1-} in
    -h | --help) usage; exit ;;
    -*) usage >&2; exit 2 ;;
esac

directory=${1:-certificates}
mkdir -p "$directory"
cd "$directory"
umask 077
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

key() {
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"
}

# A certificate that the authority signs: name, subject, extensions.
leaf() {
    key "$1.key"
    openssl req -new -key "$1.key" -subj "/CN=$2" -out "$scratch/$1.csr"
    printf '%s\n' "$3" 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' >"$scratch/$1.ext"
    openssl x509 -req -in "$scratch/$1.csr" -CA ca.pem -CAkey "$scratch/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
        -days 30 -sha256 -extfile "$scratch/$1.ext" -out "$1.pem" 2>/dev/null
}

key "$scratch/ca.key"
openssl req -x509 -new -key "$scratch/ca.key" -subj '/CN=signal-fish development authority' -days 30 -sha256 \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign' -out ca.pem
leaf server localhost $'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth'
leaf client client 'extendedKeyUsage=clientAuth'
chmod 644 ca.pem server.pem client.pem
printf 'written to %s\n' "$PWD"
