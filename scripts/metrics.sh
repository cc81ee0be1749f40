#!/usr/bin/env bash
# The metrics of the real server as others read them: Python's prometheus_client parses the text, promtool checks it, and
# Prometheus itself scrapes it, with the token. One line per claim; fails if one of them does not hold.
#
# What is missing is installed: prometheus from Debian's packages, as root or with sudo, and prometheus_client from PyPI.
# Takes about 10 seconds without that and without building.
#
# SERVER=PATH   the binary; otherwise it is built with cargo (PROFILE=release for an optimised build)
# SCRATCH=DIR   where prometheus_client is installed, once
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "metrics.sh: $*" >&2
    exit 1
}

scratch=${SCRATCH:-$PWD/scratch/metrics}
profile=${PROFILE:-dev}
work=$(mktemp -d)
running=()
finish() {
    local at
    for ((at = ${#running[@]} - 1; at >= 0; at--)); do
        kill "${running[at]}" 2>/dev/null || true
        wait "${running[at]}" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

if ! command -v promtool >/dev/null || ! command -v prometheus >/dev/null; then
    scripts/apt.sh prometheus || fail "prometheus could not be installed"
fi
if ! [[ -d $scratch/prometheus_client ]]; then
    mkdir -p "$scratch"
    python3 -m pip install --quiet --target "$scratch" prometheus_client==0.23.1 >"$work/pip.log" 2>&1 ||
        { cat "$work/pip.log" >&2; fail "prometheus_client could not be installed"; }
fi
if [[ -z ${SERVER:-} ]]; then
    cargo build --quiet --profile "$profile" --package signal-fish-server --bin signal-fish-server
    folder=$profile
    [[ $profile == dev ]] && folder=debug
    SERVER=${CARGO_TARGET_DIR:-target}/$folder/signal-fish-server
fi
SERVER=$(realpath "$SERVER")

token=0123456789abcdef-scrape
cd "$work"
SIGNAL_FISH_SECURITY__REQUIRE_METRICS_AUTH=true SIGNAL_FISH_SECURITY__METRICS_AUTH_TOKEN=$token \
    SIGNAL_FISH_LOGGING__ENABLE_FILE_LOGGING=false "$SERVER" --bind 127.0.0.1 --port 0 --shards 2 --no-pin \
    >server.log 2>&1 &
running+=($!)
address=
for _ in {1..200}; do
    address=$(grep -om1 'listening on 127.0.0.1:[0-9]*' server.log | cut -d' ' -f3) && break
    sleep 0.05
done
[[ $address ]] || { cat server.log >&2; fail "the server did not start"; }

scrape() { curl -fsS -H "Authorization: Bearer $token" "http://$address$1"; }

curl -s -o /dev/null -w '%{http_code}' "http://$address/metrics/prom" | grep -qx 401 || fail "no token is needed"
echo "ok: without the token there are no metrics"

scrape /metrics/prom >metrics.txt
promtool check metrics <metrics.txt || fail "promtool finds fault with the metrics"
echo "ok: promtool finds no fault"

scrape /metrics >metrics.json
PYTHONPATH=$scratch python3 - <<'PY'
import json
from prometheus_client.parser import text_string_to_metric_families

families = {family.name: family for family in text_string_to_metric_families(open("metrics.txt").read())}
shown = json.load(open("metrics.json"))
assert len(families) > 60, len(families)
for family in families.values():
    assert family.documentation and family.samples and family.type in ("counter", "gauge", "histogram"), family
    if family.type == "histogram":
        for shard in ("0", "1"):
            buckets = [s.value for s in family.samples if s.name.endswith("_bucket") and s.labels["shard"] == shard]
            count = [s.value for s in family.samples if s.name.endswith("_count") and s.labels["shard"] == shard]
            assert buckets == sorted(buckets) and buckets[-1:] == count, (family.name, shard, buckets, count)
# What stands in the text stands in the JSON as well.
for family in families.values():
    for sample in family.samples:
        name = sample.name.removeprefix("signal_fish_")
        if name != sample.name and not sample.labels:
            assert name in shown["totals"], sample.name
print(f"ok: prometheus_client reads {len(families)} metrics")
PY

cat >prometheus.yml <<YML
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: signal-fish
    metrics_path: /metrics/prom
    authorization:
      credentials: $token
    static_configs:
      - targets: ["$address"]
YML
promtool check config prometheus.yml >/dev/null
port=$((20000 + RANDOM % 20000))
prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:$port \
    >prometheus.log 2>&1 &
running+=($!)
query() { curl -fsS -G "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1" 2>/dev/null; }
for _ in {1..300}; do
    query 'sum(signal_fish_shard_up) == 2' | grep -q '"value"' && break
    sleep 0.1
done
query 'sum(signal_fish_shard_up) == 2' | grep -q '"value"' || { cat prometheus.log >&2; fail "Prometheus scraped nothing"; }
echo "ok: Prometheus scrapes with the token"
