#!/usr/bin/env bash
# Shows which settings of this machine's kernel hold a busy server back, and with --apply changes them.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/tune-host.sh [--apply [--keep]] [--port NUMBER]

  --apply        set what is too low, until the next start of the machine
  --keep         write it to /etc/sysctl.d/60-signal-fish.conf too, for later starts
  --port NUMBER  port of the server, 3536 if not given

Without --apply nothing is changed. Values that are high enough stay as they are. Ends with 1 if something is too low and was
not set. The limits of the process (open files, locked memory) belong to the service manager; signal-fish-server --check shows
them.
USAGE
}

apply=false keep=false port=3536 root=${SYSCTL_ROOT:-/proc/sys} conf=${SYSCTL_CONF:-/etc/sysctl.d/60-signal-fish.conf}
while (($#)); do
    case $1 in
        --apply) apply=true ;;
        --keep) keep=true ;;
        --port) port=${2:?--port needs a number}; shift ;;
        -h | --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
if [[ ! $port =~ ^[0-9]{1,5}$ ]] || ((port > 65535)); then
    echo "--port: expected a number up to 65535" >&2
    exit 2
fi

missing=0 kept=()

# Compares a key with the least value that suits, and sets it if asked. Why it matters comes last.
want() {
    local key=$1 least=$2 why=$3 how=${4:-least} file now
    file=$root/${key//./\/}
    if ! now=$(cat "$file" 2>/dev/null); then
        printf '%-34s %12s   not on this kernel\n' "$key" -
        return
    fi
    now=${now//[$'\t']/ }
    case $how in
        least) [[ $now -ge $least ]] && { printf '%-34s %12s   fine\n' "$key" "$now"; return; } ;;
        exactly) [[ $now == "$least" ]] && { printf '%-34s %12s   fine\n' "$key" "$now"; return; } ;;
        contains)
            [[ ,$now, == *,$least,* ]] && { printf '%-34s %12s   fine\n' "$key" "$now"; return; }
            least=${now:+$now,}$least
            ;;
    esac
    if $apply && printf '%s\n' "$least" 2>/dev/null >"$file"; then
        printf '%-34s %12s   set to %s: %s\n' "$key" "${now:--}" "$least" "$why"
        kept+=("$key = $least")
    else
        printf '%-34s %12s   should be %s: %s\n' "$key" "${now:--}" "$least" "$why"
        missing=1
    fi
}

want net.core.somaxconn 4096 "newcomers that wait to be accepted, in a storm"
want net.ipv4.tcp_max_syn_backlog 8192 "newcomers in the middle of the handshake"
want net.core.netdev_max_backlog 16384 "packets that wait for a processor"
want fs.nr_open 1048576 "the most open files that a process may be given"
want fs.file-max 2097152 "open files of the whole machine"
want net.ipv4.ip_local_reserved_ports "$port" "keeps outgoing connections off the server's port" contains
want kernel.io_uring_disabled 0 "the server needs io_uring" exactly

if $keep && ((${#kept[@]})); then
    printf '%s\n' "# Written by tune-host.sh of signal-fish-server." "${kept[@]}" >"$conf"
    echo "written to $conf"
fi
exit $missing
