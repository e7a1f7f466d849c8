"""What a long run came to, on one page: kills, where they hit, how long recovery took, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

from agents.failpoints import FAILPOINTS
from tests.faults.supervised import ANY_MOMENT, Death
from tests.faults.verdict import Verdict


@dataclass
class Tally:
    """All evenings so far, each with its seed."""

    vehicles: int
    seed: int
    deaths: list[Death] = field(default_factory=list)
    verdicts: dict[int, Verdict] = field(default_factory=dict)

    def add(self, seed: int, deaths: Sequence[Death], verdict: Verdict) -> None:
        self.deaths += deaths
        self.verdicts[seed] = verdict

    @property
    def clean(self) -> bool:
        return not any(verdict.complaints() for verdict in self.verdicts.values())


def quantile(seconds: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` of all do not exceed; None of none."""
    ranked = sorted(seconds)
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)] if ranked else None


def page(tally: Tally) -> str:
    """The report as Markdown."""
    return "\n".join([*_figures(tally), "", *_places(tally), "", *_complaints(tally), ""])


def _figures(tally: Tally) -> Iterator[str]:
    recoveries = [death.recovery_seconds for death in tally.deaths if death.recovery_seconds is not None]
    verdicts = tally.verdicts.values()
    yield f"# Faults: {len(tally.deaths)} kills in {len(tally.verdicts)} evenings of {tally.vehicles} cars"
    yield ""
    yield f"{'Clean.' if tally.clean else 'NOT CLEAN, see below.'} Seed {tally.seed}; each evening's seed is below."
    yield ""
    yield "| Figure | |"
    yield "|---|--:|"
    yield f"| kill cycles | {len(tally.deaths)} |"
    yield f"| effective starts and stops | {sum(verdict.effective for verdict in verdicts)} |"
    for name in (f.name for f in fields(Verdict)[1:]):
        yield f"| {name.replace('_', ' ')} | {sum(len(getattr(verdict, name)) for verdict in verdicts)} |"
    for share in (0.5, 0.99):
        seconds = quantile(recoveries, share)
        yield f"| recovery p{100 * share:.0f}, seconds | {'-' if seconds is None else f'{seconds:.1f}'} |"


def _places(tally: Tally) -> Iterator[str]:
    deaths = Counter(death.kill.place for death in tally.deaths)
    yield "| Killed at | times |"
    yield "|---|--:|"
    yield from (f"| {place} | {deaths[place]} |" for place in (*FAILPOINTS, ANY_MOMENT))


def _complaints(tally: Tally) -> Iterator[str]:
    for seed, verdict in tally.verdicts.items():
        if verdict.complaints():
            yield f"Evening of seed {seed}:"
            yield ""
            yield from (f"- {line}" for line in verdict.complaints())
            yield ""
