"""All figures of a report, as JSON has them; the page shows nothing that is not here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from deploy.analysis.output import rows
from deploy.report import questions
from deploy.resampling import FEWEST_DAYS, share, weights
from streams.contracts.session import Promise
from streams.serde import rfc3339
from tables.store import Store

Row = dict[str, Any]
#: Of the draws of days: the same records give the same report.
SEED: Final = 1
#: What was the last is still in the period.
_LAST_WORD: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """[since, until), and the zone in which days begin."""

    since: datetime
    until: datetime
    zone: str

    @property
    def parameters(self) -> dict[str, str]:
        """As the questions take them."""
        return {"since": rfc3339(self.since), "until": rfc3339(self.until), "zone": self.zone}


def period(store: Store, since: str | None, until: str | None, zone: str) -> Period:
    """The period asked for; what is left out is as far as there are records. ValueError when nothing is in it."""
    where = _zone(zone)
    extent = _ask(store, questions.EXTENT, {})[0]
    if extent["since"] is None:
        raise ValueError("nothing to report: no session was settled and no command given")
    first = instant("--since", since, where) or datetime.fromisoformat(extent["since"])
    last = instant("--until", until, where) or datetime.fromisoformat(extent["until"]) + _LAST_WORD
    if last <= first:
        raise ValueError(f"the period is empty: it would end {rfc3339(last)}, and begin {rfc3339(first)}")
    return Period(first, last, zone)


def instant(option: str, text: str | None, zone: ZoneInfo) -> datetime | None:
    """A day or a time, in the zone where it names none. Raises ValueError."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{option} {text}: give a day or a time, like 2026-03-25 or 2026-03-25T18:00:00Z") from None
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def figures(store: Store, chosen: Period) -> Row:
    """Everything the page says. ValueError when nothing happened in the period."""

    def ask(question: str) -> list[Row]:
        return _ask(store, question, {name: chosen.parameters[name] for name in _named(question)})

    headline, carbon, commands = ask(questions.HEADLINE), ask(questions.CARBON)[0], ask(questions.COMMANDS)
    if not headline and not commands:
        raise ValueError(_nothing(store, chosen))
    by_day = ask(questions.SAVINGS)
    return {
        **chosen.parameters,
        "sessions": carbon["sessions"],
        "cars": carbon["cars"],
        "energy_kwh": carbon["energy_kwh"] or 0.0,
        "money": [row | {"saved": _saved([one for one in by_day if one["currency"] == row["currency"]])["money"]}
                  for row in headline],
        "carbon": carbon | {"saved": _saved(by_day)["carbon"]},
        "thirds": ask(questions.THIRDS),
        "load": ask(questions.LOAD),
        "by_oem": _groups(by_day, lambda row: row["oem"] or "unknown"),
        "by_tariff": _groups(by_day, lambda row: row["tariff"] or "unknown"),
        "promises": _promises(ask(questions.PROMISES)),
        "not_kept": ask(questions.NOT_KEPT),
        "commands": [_obeyed(row) for row in commands],
        "fewest_days": FEWEST_DAYS,
    }  # fmt: skip


def _nothing(store: Store, chosen: Period) -> str:
    extent = _ask(store, questions.EXTENT, {})[0]
    told = chosen.parameters
    return (
        f"nothing to report: no session ended and no command was given from {told['since']} to {told['until']}; "
        f"there is something from {extent['since']} to {extent['until']}"
    )


def _ask(store: Store, question: str, given: Mapping[str, str]) -> list[Row]:
    with store.ask(question, given or None) as found:
        return list(rows(found))


def _named(question: str) -> Iterable[str]:
    return [name for name in ("since", "until", "zone") if f"${name}" in question]


def _groups(by_day: Sequence[Row], name: Callable[[Row], str]) -> list[Row]:
    """Savings by group and currency, the largest first."""
    groups: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in by_day:
        groups[name(row), row["currency"]].append(row)
    found = [
        {"name": group, "currency": currency, **_sums(several), "saved": _saved(several)}
        for (group, currency), several in groups.items()
    ]
    return sorted(found, key=lambda row: (-row["energy_kwh"], row["name"], row["currency"]))


def _sums(several: Sequence[Row]) -> Row:
    names = ("sessions", "priced", "energy_kwh")
    return {name: sum(row[name] or 0 for row in several) for name in names}


def _saved(several: Sequence[Row]) -> Row:
    """What was saved of money and carbon, of what charging at once takes, with intervals over days."""
    days = sorted({row["day"] for row in several})

    def by_day(name: str) -> Any:
        sums = dict.fromkeys(days, 0.0)
        for row in several:
            sums[row["day"]] += row[name] or 0.0
        return np.array(list(sums.values()))

    def ratio(part: str, whole: str) -> Row:
        if not days:
            return {"value": None, "low": None, "high": None, "part": 0.0, "whole": 0.0, "days": 0}
        found = share(by_day(part), by_day(whole), weights(len(days), SEED))
        return {**asdict(found), "days": len(days)}

    return {
        "money": ratio("saving", "cost_at_once"),
        "carbon": ratio("carbon_saved_kg", "carbon_at_once_kg"),
    }


def _promises(counted: Sequence[Row]) -> list[Row]:
    """By maker, how many promises came to what; a row of all at the end."""
    found: dict[str, Row] = {}
    for row in [*counted, *(one | {"oem": "all"} for one in counted)]:
        name = row["oem"] or "unknown"
        kept = found.setdefault(name, {"oem": name, "sessions": 0, **{str(kind): 0 for kind in Promise}})
        kept[row["promise"]] += row["sessions"]
        kept["sessions"] += row["sessions"]
    return list(found.values())


def _obeyed(row: Row) -> Row:
    """The share of the commands with an answer that telemetry proved to be obeyed."""
    answered = sum(row[name] for name in ("confirmed", "contradicted", "refused", "unproven"))
    known = {"oem": row["oem"] or "unknown", "model": row["model"] or "unknown"}
    return row | known | {"answered": answered, "obey_rate": row["confirmed"] / answered if answered else None}


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"--zone {name}: give an IANA zone like Europe/London") from None
