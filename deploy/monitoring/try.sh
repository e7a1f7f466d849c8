#!/usr/bin/env bash
# A cluster on this machine with Prometheus beside it, as docs/monitoring.md types it: local Kafka, simulated cars,
# three workers, guardian and feeds. Ctrl-C ends all but Kafka (`make down`).
set -euo pipefail
cd "$(dirname "$0")/../.."
d2ev="$PWD/.venv/bin/d2ev"
run="${TRY_DIR:-.d2ev/try}"
mkdir -p "$run"

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

pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait' EXIT
begin() { # begin NAME PORT COMMAND...: a process with its health port and its log
    D2EV_HEALTH_PORT="$2" D2EV_DATA_DIR="$run/$1" "${@:3}" >"$run/$1.log" 2>&1 &
    pids+=($!)
}

begin feeds 8105 "$d2ev" feeds
begin worker1 8101 "$d2ev" worker
begin worker2 8102 "$d2ev" worker
begin worker3 8103 "$d2ev" worker
begin guardian 8104 "$d2ev" guardian
begin simulator 0 "$d2ev" simulator --enrol --port 8200 --vehicles "${VEHICLES:-100}"
begin prometheus 0 prometheus --config.file=deploy/monitoring/prometheus.yml --storage.tsdb.path="$run/prometheus" \
    --web.listen-address=127.0.0.1:9090
echo "Prometheus is at http://127.0.0.1:9090/alerts, logs are in $run/"
wait -n "${pids[@]}"
echo "one of them has ended; see $run/*.log" >&2
exit 1
