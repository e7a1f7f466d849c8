"""What expressions may name: the series and labels that processes export, and what Prometheus adds."""

import re
from typing import Final

from deploy.monitoring.catalogue import Family, families

FAMILIES: Final[dict[str, Family]] = {sample: family for family in families() for sample in family.samples}
#: What Prometheus itself adds to every series, a histogram to its buckets, and an alert to its own.
ADDED: Final = {"job", "instance", "le"}
OWN: Final = {"up": ADDED, "ALERTS": {*ADDED, "alertname", "alertstate"}}
_METRIC = re.compile(r"\b(d2ev_\w+|up|ALERTS)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"')
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring) \(([^)]*)\)")


def named(expression: str) -> set[str]:
    """The metrics that an expression asks for."""
    return {name for name, _ in _METRIC.findall(expression)}


def complaints(expression: str) -> list[str]:
    """What an expression names that no process exports."""
    found: list[str] = []
    labels = set(ADDED)
    for name, matchers in _METRIC.findall(expression):
        family = FAMILIES.get(name)
        if family is None and name not in OWN:
            found.append(f"no process exports {name}")
            continue
        own = {*(family.labels if family else ()), *OWN.get(name, ADDED)}
        labels |= own
        found += [f"{name} has no label {label}" for label, _ in _MATCHER.findall(matchers) if label not in own]
    grouped = {label.strip() for names in _GROUPED.findall(expression) for label in names.split(",")} - {""}
    return found + [f"nothing here has the label {label}" for label in sorted(grouped - labels)]
