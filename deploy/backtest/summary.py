"""The last word of a backtest as numbers for JSON; the report shows nothing that is not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from deploy.backtest import figures
from deploy.backtest.figures import WAYS, Days
from deploy.backtest.hours import by_hour
from deploy.backtest.run import Line, Setting
from deploy.backtest.stays import Placed, Wishes
from deploy.resampling import Share

_FOUR: Final = ("managed", "unmanaged", "timer", "oracle")


class Backtest(NamedTuple):
    """One tariff's books and how they came about."""

    setting: Setting
    wishes: Wishes
    placed: Placed
    zone: str
    seed: int
    lines: Sequence[Line]


def summarise(backtests: Sequence[Backtest], wall_seconds: float) -> dict[str, Any]:
    """One object, as documented: the first tariff in full, every tariff's headline under `tariffs`."""
    first = _one(backtests[0])
    tariffs = [_headline(first), *(_headline(_one(other)) for other in backtests[1:])]
    return {**first, "tariffs": tariffs, "wall_seconds": round(wall_seconds, 1)}


def _one(backtest: Backtest) -> dict[str, Any]:
    lines = backtest.lines
    days = Days(lines, backtest.seed)
    energy_kwh = sum(line.outcome.energy_kwh for line in lines)
    shapes = figures.by_class(lines)
    left_out = dict(backtest.placed.left_out.most_common())
    known_carbon = backtest.setting.carbon is not None
    return {
        "vehicles": len({line.stay.registration.car for line in lines}),
        "sessions": len(lines),
        "days": len(days.days),
        "tariff": backtest.setting.price.name,
        "zone": backtest.zone,
        "first_day": days.days[0].isoformat(),
        "last_day": days.days[-1].isoformat(),
        "plug_events": {"plugged_in": len(lines), "unplugged": len(lines), "corrected": 0},
        "schedules": shapes["schedules"],
        "commands": {
            "sent": shapes["commands"],
            "confirmed": shapes["commands"],
            "failed": 0,
            "unknown": 0,
            "duplicate_effective": 0,
        },
        "notifications": {"sent": 0, "duplicate": 0},
        "ready_by": figures.promises(lines),
        "energy_kwh": {way: round(energy_kwh, 3) for way in _FOUR},
        "currency": backtest.setting.price.unit.partition("/")[0],
        "cost": {way: round(days.total("cost", way), 4) for way in WAYS},
        "carbon_kg": {way: round(days.total("carbon_g", way) / 1000, 4) if known_carbon else None for way in WAYS},
        "events": _events(shapes, left_out),
        "announced_start_changes_per_session": _rounded(shapes["start_changes"]),
        "blocks_per_session": _rounded(shapes["blocks"]),
        "more": _more(backtest, days, shapes, left_out),
    }


def _events(shapes: dict[str, Any], left_out: dict[str, int]) -> dict[str, int]:
    """Every reading and vintage leads to one decision; recorded rows that cannot be driven are the dead letters."""
    dead = sum(left_out.values())
    kept = shapes["decisions"] - shapes["schedules"]
    return {
        "in": shapes["decisions"] + dead,
        "out": shapes["schedules"],
        "filtered": kept,
        "dead_letters": dead,
        "lost": 0,
    }


def _more(backtest: Backtest, days: Days, shapes: dict[str, Any], left_out: dict[str, int]) -> dict[str, Any]:
    lines, setting = backtest.lines, backtest.setting
    names = ["cost", "objective"] + (["carbon_g"] if setting.carbon else [])
    short_kwh, short_pct = figures.shortfall(lines)
    return {
        "objective": {way: round(days.total("objective", way), 4) for way in WAYS},
        "saving": {name: {way: _share(days.saving(name, way)) for way in WAYS} for name in names},
        "capture": {name: {way: _share(days.capture(name, way)) for way in WAYS} for name in names},
        "regret": {cause: round(value, 4) for cause, value in figures.regret(lines).items()},
        "short_kwh": round(short_kwh, 3),
        "short_pct_points": round(short_pct, 2),
        "start_change_classes": shapes["start_change_classes"],
        "block_classes": shapes["block_classes"],
        "blocks_of_the_oracle": _rounded(shapes["optimal_blocks"]),
        "announced_sessions": shapes["announced"],
        "commands_per_session": round(shapes["commands"] / len(lines), 3),
        "schedules_per_session": round(shapes["schedules"] / len(lines), 3),
        "by_day": [(day.isoformat(), round(saved, 4), round(best, 4)) for day, saved, best in days.by_day("objective")],
        "by_hour": [tuple(hour) for hour in by_hour(lines, setting.price.outturn, ZoneInfo(backtest.zone))],
        "moved_by_whole_weeks": backtest.placed.moved,
        "left_out": left_out,
        "price_remark": setting.price.remark,
        "carbon_remark": setting.carbon.remark if setting.carbon else None,
        "detection_minutes": setting.conduct.detection.total_seconds() / 60,
        "command_seconds": setting.conduct.command.total_seconds(),
        "rough_cars": setting.conduct.rough,
        "wishes": _wishes(backtest.wishes),
        "seed": backtest.seed,
    }


def _headline(one: dict[str, Any]) -> dict[str, Any]:
    """What a table of tariffs shows of each."""
    more = one["more"]
    return {
        "tariff": one["tariff"],
        "currency": one["currency"],
        "sessions": one["sessions"],
        "days": one["days"],
        "energy_kwh": one["energy_kwh"]["managed"],
        "cost": one["cost"],
        "carbon_kg": one["carbon_kg"],
        "saving": more["saving"]["cost"]["managed"],
        "carbon_saving": more["saving"].get("carbon_g", {}).get("managed"),
        "capture": more["capture"]["objective"]["managed"],
        "ready_by": one["ready_by"],
        "announced_start_changes_per_session": one["announced_start_changes_per_session"],
        "blocks_per_session": one["blocks_per_session"],
    }


def _share(share: Share) -> dict[str, float | None]:
    return {name: _rounded(value, 5) for name, value in asdict(share).items()}


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def _wishes(wishes: Wishes) -> dict[str, Any]:
    ready_at = f"{wishes.ready_at:%H:%M}" if wishes.ready_at else None
    return {**asdict(wishes), "ready_at": ready_at}
