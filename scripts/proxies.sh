#!/usr/bin/env bash
# The example configurations of examples/proxies against the real server: nginx, HAProxy and Caddy, each on ports and in
# a folder of its own, as the user who runs this. Behind each of them the address of the client arrives, what the client
# forges does not, and WebSocket sessions work. One line per claim; fails if one of them does not hold.
#
# What is missing is installed from Debian's packages (nginx, haproxy, caddy), as root or with sudo; Debian may start
# services that it installs. Takes about 10 seconds without that and without building.
#
# SERVER=PATH   the binary; otherwise it is built with cargo (PROFILE=release for an optimised build)
# SCRATCH=DIR   where Python's `websockets` is installed, once
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "proxies.sh: $*" >&2
    exit 1
}

scratch=${SCRATCH:-$PWD/scratch/interop}
profile=${PROFILE:-dev}
examples=$PWD/examples/proxies
PATH=$PATH:/usr/sbin:/sbin

install_packages() {
    local missing=() package
    for package in nginx haproxy caddy; do
        command -v "$package" >/dev/null || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    scripts/apt.sh "${missing[@]}" || fail "could not be installed: ${missing[*]}"
}

work=$(mktemp -d)
running=()
finish() {
    # The last one first: a proxy ends before its server.
    local at
    for ((at = ${#running[@]} - 1; at >= 0; at--)); do
        kill "${running[at]}" 2>/dev/null || true
        wait "${running[at]}" 2>/dev/null || true
    done
    running=()
}
trap 'finish; rm -rf "$work"' EXIT

install_packages
if [[ -z ${SERVER:-} ]]; then
    cargo build --quiet --profile "$profile" --bin signal-fish-server
    folder=$profile
    [[ $profile == dev ]] && folder=debug
    SERVER=${CARGO_TARGET_DIR:-target}/$folder/signal-fish-server
fi
SERVER=$(realpath "$SERVER")
mkdir -p "$scratch"
if [[ ! -x $scratch/venv/bin/python ]] || ! "$scratch/venv/bin/python" -c 'import websockets' 2>/dev/null; then
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check 'websockets>=14,<17'
fi

# A server behind proxies, with these settings more in `security`. Sets $server.
start_server() {
    local more=$1
    printf '{"logging": {"enable_file_logging": false}, "shards": {"count": 2, "pin": false},
             "security": {"trusted_proxies": ["127.0.0.1"], "max_connections_per_ip": 1%s}}\n' "$more" >"$dir/server.json"
    "$SERVER" --config "$dir/server.json" --port 0 --bind 127.0.0.1 >"$dir/server.log" 2>&1 &
    running+=($!)
    server=
    for _ in {1..100}; do
        server=$(grep -o 'listening on 127\.0\.0\.1:[0-9]*' "$dir/server.log" 2>/dev/null | head -n 1 | cut -d ' ' -f 3) || true
        [[ -n $server ]] && return
        kill -0 "${running[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    cat "$dir/server.log" >&2
    fail "the server did not start"
}

# The example with the addresses of this run: where the proxy listens, and the server.
adapt() {
    local example=$1 listens=$2 here=$3
    [[ $(grep -cF -- "$listens" "$examples/$example") == 1 ]] || fail "$example: expected one \`$listens\`"
    [[ $(grep -v '^ *#' "$examples/$example" | grep -cF 127.0.0.1:3536) == 1 ]] || fail "$example: expected one server"
    sed -e "s|$listens|$here|" -e "s|127\.0\.0\.1:3536|$server|" "$examples/$example"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_proxy() {
    "$@" >"$dir/proxy.log" 2>&1 &
    running+=($!)
    for _ in {1..100}; do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
        kill -0 "${running[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    cat "$dir/proxy.log" >&2
    fail "$1 did not start"
}

nginx_conf() {
    # Everything that nginx would write elsewhere. Only root may hand its work to another user.
    ((EUID == 0)) && echo "user $(id -un) $(id -gn);"
    echo "daemon off; worker_processes 1; pid $dir/nginx.pid; error_log $dir/error.log; events {} http {"
    echo "access_log off;"
    local kind
    for kind in client_body proxy fastcgi uwsgi scgi; do
        echo "${kind}_temp_path $dir/$kind;"
    done
    adapt nginx.conf 'listen 80;' "listen 127.0.0.1:$port;"
    echo "}"
}

caddyfile() {
    printf '{\n\tadmin off\n}\n'
    adapt Caddyfile 'play.example.org {' "http://:$port {\n\tbind 127.0.0.1"
}

haproxy_cfg() {
    # Checks come often enough that a server which refuses them is out of use before the claims are tried.
    adapt "$1" 'bind :80' "bind 127.0.0.1:$port" | sed 's/inter 2s/inter 100ms/'
}

failed=0
claims() {
    "$scratch/venv/bin/python" scripts/proxies/claims.py "$name" "127.0.0.1:$port" "$server" "$@" || {
        failed=1
        tail -n 20 "$dir"/*.log >&2
    }
    finish
}

begin() {
    name=$1
    dir=$work/$name
    mkdir -p "$dir"
    port=$(free_port)
}

begin nginx
start_server ''
nginx_conf >"$dir/nginx.conf"
start_proxy nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
claims

begin caddy
start_server ''
caddyfile >"$dir/Caddyfile"
XDG_DATA_HOME=$dir XDG_CONFIG_HOME=$dir start_proxy caddy run --adapter caddyfile --config "$dir/Caddyfile"
claims

begin haproxy-forwardfor
start_server ''
haproxy_cfg haproxy-forwardfor.cfg >"$dir/haproxy.cfg"
start_proxy haproxy -db -f "$dir/haproxy.cfg"
claims --checked

begin haproxy-proxy-protocol
start_server ', "proxy_protocol": true'
haproxy_cfg haproxy-proxy-protocol.cfg >"$dir/haproxy.cfg"
start_proxy haproxy -db -f "$dir/haproxy.cfg"
claims --checked --proxy-protocol

begin haproxy-proxy-protocol-tcp
start_server ', "proxy_protocol": true'
haproxy_cfg haproxy-proxy-protocol.cfg | sed 's/mode http/mode tcp/' >"$dir/haproxy.cfg"
start_proxy haproxy -db -f "$dir/haproxy.cfg"
claims --checked --proxy-protocol

exit "$failed"
