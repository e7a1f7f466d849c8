"""`--set NAME=VALUE`: what of the rules, or of what drivers wish, is otherwise in a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import inf
from typing import Any

from pydantic import ValidationError

from streams.contracts.preference import Preference
from streams.domain.case import PlanRules

#: Of the rules: those in minutes carry it in their name.
RULES = ("max_blocks", "min_block_minutes", "min_pause_minutes", "start_penalty", "worthwhile")
WISHES = ("carbon_price_per_tonne", "margin_minutes", "min_soc_pct")


@dataclass(frozen=True, slots=True)
class Changes:
    """The rules of a replay, and what every driver is taken to wish."""

    rules: PlanRules
    wishes: dict[str, float]

    def wish(self, preference: Preference) -> Preference:
        """A driver's preference with the changes. ValueError for a value that no driver may wish."""
        try:
            return Preference.model_validate({**dict(preference), **self.wishes})
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise ValueError(f"--set {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def changes(rules: PlanRules, given: Sequence[str]) -> Changes:
    """What is asked for. ValueError lists the names."""
    wishes: dict[str, float] = {}
    for text in given:
        name, equals, value = text.partition("=")
        number = _number(text, value) if equals else None
        if number is None or name not in {*RULES, *WISHES}:
            raise ValueError(f"--set {text}: write NAME=NUMBER; there are {', '.join((*RULES, *WISHES))}")
        if name in WISHES:
            wishes[name] = number
        else:
            rules = _ruled(rules, name, number)
    return Changes(rules, wishes)


def _ruled(rules: PlanRules, name: str, number: float) -> PlanRules:
    if not 0 <= number < inf or (name == "max_blocks" and (number < 1 or number % 1)):
        raise ValueError(f"--set {name}={number:g}: too small, or no whole number")
    value: Any = int(number) if name == "max_blocks" else number
    if name.endswith("_minutes"):
        name, value = name.removesuffix("_minutes"), timedelta(minutes=number)
    return replace(rules, **{name: value})


def _number(text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"--set {text}: {value!r} is no number") from None
