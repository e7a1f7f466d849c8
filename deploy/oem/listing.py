"""Every connector with what its cars can do, what it needs, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oem_connectors.base import Can, Connector
from oem_connectors.filling import names_of
from oem_connectors.quality import Quality, quality
from oem_connectors.subject import Subject

_CONTROL = Can.START | Can.STOP


def rows(connectors: Mapping[str, Connector]) -> list[dict[str, Any]]:
    """One JSON object per connector, sorted by name."""
    return [_row(connector) for connector in connectors.values()]


def _row(connector: Connector) -> dict[str, Any]:
    subject = Subject(connector)
    told: Quality = quality(subject.folder)
    usual = connector.capabilities("")
    models = {model: connector.capabilities(model) for model in subject.models if model}
    return {
        "name": connector.name,
        "title": connector.title,
        "capabilities": words(usual),
        "models": {model: words(can) for model, can in models.items() if can != usual},
        "control": any(_CONTROL in can for can in (usual, *models.values())),
        "linking": None if connector.consent is None else connector.consent.flow.value,
        "webhooks": connector.hook is not None,
        "stream": connector.stream is not None,
        "hosts": dict(connector.hosts),
        "app": names_of(connector),
        "kinds": [kind.name for kind in connector.kinds],
        "quality": told._asdict(),
    }


def words(can: Can) -> list[str]:
    """What a car can do, in the words of `Can`."""
    return [str(one.name).lower() for one in Can if one in can]


def lines(found: list[dict[str, Any]], *, with_quality: bool) -> list[str]:
    """The rows for a terminal."""
    said = []
    for row in found:
        role = "control" if row["control"] else "read only"
        told = row["quality"]
        counts = f"{len(told['done'])} done, {len(told['todo'])} to do, {len(told['exempt'])} exempt"
        said.append(f"{row['name']:12} {role:10} {' '.join(row['capabilities']):42} {counts}")
        said += [f"    {model}: {' '.join(can)}" for model, can in row["models"].items()]
        if with_quality:
            said += [f"    {kind}: {line}" for kind in told for line in told[kind]]
    return said
