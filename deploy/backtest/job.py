"""From files to the summary: reads the recordings, places the sessions, drives them, for one tariff or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from deploy.backtest.carbon import carbon
from deploy.backtest.insight import Outturn
from deploy.backtest.prices import prices
from deploy.backtest.rows import BadFile
from deploy.backtest.run import Setting
from deploy.backtest.sessions import sessions
from deploy.backtest.shares import drive_shared
from deploy.backtest.stays import Stay, Wishes, place
from deploy.backtest.summary import Backtest, summarise
from deploy.backtest.visit import Conduct
from deploy.demo.recorded import DATA
from streams.domain.case import PlanRules

#: Without files: the extracts of the demo, read as homes in Great Britain, and as many sessions as a minute allows.
_EXTRACT_ZONE: Final = "Europe/London"
_EXTRACT_MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class Job:
    """What to run. Files that are None come from the small extracts; carbon only if prices do as well."""

    prices: Sequence[Path] | None = None
    carbon: Sequence[Path] | None = None
    sessions: Path | None = None
    zone: str | None = None
    currency: str = "EUR"
    days: int | None = None
    most: int | None = None
    conduct: Conduct = field(default_factory=Conduct)
    wishes: Wishes = field(default_factory=Wishes)
    rules: PlanRules = field(default_factory=PlanRules)
    seed: int = 1


def run(job: Job, progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """The summary; `progress` is told tariff, stays done, and stays in all. ValueError when a file cannot be used."""
    started = perf_counter()
    own_files = job.prices is not None or job.sessions is not None
    zone = job.zone or (None if own_files else _EXTRACT_ZONE)
    _known(zone)
    found = sessions(job.sessions or DATA / "home_sessions.csv", zone)
    if not found.usable:
        raise BadFile(f"{job.sessions}: no session can be used: {dict(found.left_out)}")
    grids = job.carbon or ([DATA / "carbon_gb.csv"] if job.prices is None else [])
    grid = carbon(grids) if grids else None
    most = job.most or (None if own_files else _EXTRACT_MOST)
    backtests = []
    for path in job.prices or [DATA / "prices_gb.csv"]:
        price = prices(path, ZoneInfo(found.zone), job.currency)
        placed = place(found, Outturn(price, grid), job.wishes, job.seed, job.days)
        if not placed.stays:
            raise BadFile(f"{path}: prices and carbon cover no session: {dict(placed.left_out)}; give longer files")
        stays = _spread(placed.stays, most)
        setting = Setting(price, grid, job.conduct, job.rules)
        lines = drive_shared(setting, stays, lambda done: progress(price.name, done, len(stays)))  # noqa: B023
        backtests.append(Backtest(setting, job.wishes, placed, found.zone, job.seed, lines))
    return summarise(backtests, perf_counter() - started)


def _spread(stays: Sequence[Stay], most: int | None) -> Sequence[Stay]:
    """At most so many, evenly over time."""
    if most is None or len(stays) <= most:
        return stays
    return [stays[n * len(stays) // most] for n in range(most)]


def _known(zone: str | None) -> None:
    try:
        ZoneInfo(zone or "UTC")
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError(f"--zone {zone}: not an IANA time zone; write one like Europe/London") from None
