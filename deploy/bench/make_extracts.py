"""Makes the price extracts in `data/` from the full recordings; deterministic, so that anyone can check them.

`python -m deploy.bench.make_extracts FOLDER`, where FOLDER holds the recordings that `data/README.md` names.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

DATA = Path(__file__).with_name("data")
_HALF_HOURS = "prices/gb_agile_dst_2026-03-28.csv"
_QUARTER_HOURS = "prices/api_samples/nordpool_indices_2025-10-01_SE3_15min.json"
Row = tuple[str, str, float]


def main(argv: Sequence[str] | None = None) -> int:
    """Write both extracts; exit code 2 and one line when a recording is not there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the full recordings")
    folder: Path = parser.parse_args(argv).folder
    missing = [name for name in (_HALF_HOURS, _QUARTER_HOURS) if not (folder / name).is_file()]
    if missing:
        print(f"{folder}: {missing[0]} is not there; see deploy/bench/data/README.md for its source", file=sys.stderr)
        return 2
    _write("prices_half_hourly_gb.csv", _half_hours(folder / _HALF_HOURS))
    _write("prices_quarter_hourly_se3.csv", _quarter_hours(folder / _QUARTER_HOURS))
    return 0


def _half_hours(path: Path) -> Iterator[Row]:
    """Pence with VAT become GBP."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["valid_from"], row["valid_to"], round(float(row["value_inc_vat"]) / 100, 6)


def _quarter_hours(path: Path) -> Iterator[Row]:
    """SEK per MWh become SEK per kWh."""
    for entry in json.loads(path.read_text(encoding="utf-8"))["multiIndexEntries"]:
        yield entry["deliveryStart"], entry["deliveryEnd"], round(entry["entryPerArea"]["SE3"] / 1000, 6)


def _write(name: str, rows: Iterator[Row]) -> None:
    with (DATA / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("start", "end", "price_per_kwh"))
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
