"""What each plot shows, in a sentence: for those who do not see it, and for those in a hurry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deploy.pages.words import number, per_kwh, percent
from deploy.report.charts import Point
from deploy.report.words import OUTCOMES, who

Row = dict[str, Any]


def load(points: Sequence[Point], currency: str, *, mean: bool) -> str:
    """The highest load, and between what prices and carbon lay."""
    most = max(points, key=lambda point: point.kw)
    told = [f"The most was {number(most.kw)} kW, {most.at:{'%H:%M' if mean else '%a %d %b %H:%M'}}"]
    prices = [point.price * 100 for point in points if point.price is not None]
    if prices:
        told.append(f"prices lay between {number(min(prices), 1)} and {number(max(prices), 1)} {per_kwh(currency)}")
    grams = [point.carbon for point in points if point.carbon is not None]
    if grams:
        told.append(f"carbon between {number(min(grams))} and {number(max(grams))} g CO₂/kWh")
    return "; ".join(told) + "."


def savings(groups: Sequence[Row]) -> str:
    """The range of what was saved."""
    told = [(row["saved"]["money"]["value"], row["name"]) for row in groups]
    known = sorted((value, name) for value, name in told if value is not None)
    if not known:
        return "No session has prices for its whole stay."
    (least, worst), (most, best) = known[0], known[-1]
    if percent(least) == percent(most):
        return f"{'Each' if len(known) > 1 else best}: {percent(most)}."
    return f"From {percent(least)}, {worst}, to {percent(most)}, {best}."


def promises(rows: Sequence[Row]) -> str:
    """How many were met, of how many that could be."""
    if not rows:
        return ""
    every = rows[-1]
    feasible = every["met"] + every["missed"]
    return f"{number(every['met'])} of {number(feasible)} promises that could be kept were kept."


def commands(rows: Sequence[Row]) -> str:
    """Who obeyed least."""
    answered = [row for row in rows if row["answered"]]
    if not answered:
        return "No command has an answer yet."
    least = min(answered, key=lambda row: (row["obey_rate"], -row["answered"]))
    if least["obey_rate"] == 1:
        return "Every command with an answer was obeyed."
    share = percent(least["obey_rate"], 0)
    failures = [kind for kind in OUTCOMES if kind != "confirmed" and least[kind]]
    others = [f"{number(least[kind])} {OUTCOMES[kind][0]}" for kind in failures]
    told = f"{share} of {number(least['answered'])} ({', '.join(others)})"
    return f"Least obeyed: {who(least)}, {least['action']}, {told}."
