#!/usr/bin/env bash
# What docs/subscribing.md has a new subscriber type, line by line: `docs/samples/try.sh ADDRESS`.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/.venv/bin:$PATH" D2EV_BOOTSTRAP=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/docs"
cp -r docs/samples "$work/docs"
cd "$work"

set -x
d2ev tail plug.event --last 3
d2ev tail plug.event --where kind=unplugged --where 'soc_pct<60' --last 1 --headers
kcat -b $D2EV_BOOTSTRAP -t d2ev.plug.event.v1 -C -e -q -o beginning -c 1 -f 'key %k\nheaders %h\nvalue %s\n'
python docs/samples/events.py $D2EV_BOOTSTRAP --once
python docs/samples/state.py $D2EV_BOOTSTRAP --once
kcat -b $D2EV_BOOTSTRAP -t d2ev.session.event.v1 -C -e -q -J > sessions.jsonl
python -c 'import duckdb; print(duckdb.sql(open("docs/samples/sessions.sql").read()))'
