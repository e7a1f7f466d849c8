#!/usr/bin/env bash
# A cluster on this machine with Prometheus beside it, as docs/monitoring.md types it: local Kafka, simulated cars,
# three workers, guardian and feeds; Grafana with the dashboards where it is installed. Ctrl-C ends all but Kafka.
set -euo pipefail
cd "$(dirname "$0")/../.."
d2ev="$PWD/.venv/bin/d2ev"
run="$PWD/.d2ev/try"
mkdir -p "$run"

[ -x "$d2ev" ] || { echo "D2EV is not installed here yet: make setup" >&2; exit 2; }
command -v prometheus >/dev/null || { echo "no prometheus on PATH (Debian: apt-get install prometheus)" >&2; exit 2; }
export D2EV_BOOTSTRAP="${D2EV_BOOTSTRAP:-$("$d2ev" broker up)}"
export D2EV_OEM_URLS='{"simulator": "http://127.0.0.1:8200"}'
export D2EV_FEEDS_FILE="$run/feeds.toml" D2EV_HELD_FILE="$run/held.json"
# Dear now and cheap soon, whatever the time of day, so that cars are held.
in_hours() { date -u -d "$1 hours" +%H:00:00 2>/dev/null || date -u -v "+$1H" +%H:00:00; }
cat >"$D2EV_FEEDS_FILE" <<TOML
[[price]]
tariff = "demo"
energy = [{ from = $(in_hours 3), to = $(in_hours 7), per_kwh = 0.085 }, { per_kwh = 0.245 }]

[price.retail]
currency = "GBP"
zone = "UTC"
vat = 0.05
TOML
"$d2ev" topics apply

pids=() names=()
trap 'kill "${pids[@]}" 2>/dev/null; wait' EXIT
begin() { # begin NAME PORT COMMAND...: a process with its health port and its log
    D2EV_HEALTH_PORT="$2" D2EV_DATA_DIR="$run/$1" "${@:3}" >"$run/$1.log" 2>&1 &
    pids+=($!) names+=("$1")
}

begin feeds 8105 "$d2ev" feeds
begin worker1 8101 "$d2ev" worker
begin worker2 8102 "$d2ev" worker
begin worker3 8103 "$d2ev" worker
begin guardian 8104 "$d2ev" guardian
begin simulator 0 "$d2ev" simulator --enrol --port 8200 --vehicles "${VEHICLES:-100}"
# Not 9090: Debian's package starts one of its own there.
begin prometheus 0 prometheus --config.file=deploy/monitoring/prometheus.yml --storage.tsdb.path="$run/prometheus" \
    --web.listen-address=127.0.0.1:9095
echo "Prometheus  http://127.0.0.1:9095/"
if command -v grafana >/dev/null; then
    export PROMETHEUS_URL=http://127.0.0.1:9095 DASHBOARDS="$PWD/deploy/monitoring/dashboards"
    export GF_PATHS_PROVISIONING="$PWD/deploy/monitoring/grafana/provisioning" GF_PATHS_DATA="$run/grafana"
    export GF_SERVER_HTTP_ADDR=127.0.0.1 GF_AUTH_ANONYMOUS_ENABLED=true GF_ANALYTICS_REPORTING_ENABLED=false
    begin grafana 0 grafana server --homepath "${GRAFANA_HOME:-/usr/share/grafana}"
    echo "Grafana     http://127.0.0.1:3000/d/d2ev-overview"
else
    echo "Grafana     is not on PATH; docs/monitoring.md says how to get it"
fi
echo "Logs        $run/"
echo "Within three minutes cars are read, planned and held. Ctrl-C ends all but Kafka; \`make down\` ends that."

while sleep 1; do
    for i in "${!pids[@]}"; do
        kill -0 "${pids[i]}" 2>/dev/null && continue
        echo "${names[i]} has ended; the end of $run/${names[i]}.log:" >&2
        tail -n 5 "$run/${names[i]}.log" >&2
        exit 1
    done
done
