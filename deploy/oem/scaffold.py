"""The first version of a connector's folder: runs at once, and its promises say what is still missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

_NAME = re.compile(r"^[a-z][a-z0-9_]{1,30}$")
_CODE = '''"""{title}: say here what is special about its words and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from oem_connectors.base import Call, Can, Connector, Kind, Limits, OAuth2, Pace, Quota, Vehicle
from oem_connectors.fields import Raw, instant, needed, number, objects, text, word
from streams.contracts.command import Action
from streams.contracts.telemetry import Charge, Plug

PLUGS = {{"CONNECTED": Plug.PLUGGED, "DISCONNECTED": Plug.UNPLUGGED}}
CHARGES = {{"CHARGING": Charge.CHARGING, "IDLE": Charge.IDLE, "DONE": Charge.COMPLETE}}


def state(raw: Raw) -> Mapping[str, Any]:
    """Translate one answer of the status endpoint."""
    return {{
        "soc_pct": number(raw, "soc"),
        "plug": word(raw, PLUGS, Plug.UNKNOWN, "plug"),
        "charge": word(raw, CHARGES, Charge.UNKNOWN, "charge"),
        "car_time": instant(raw, "time"),
    }}


def vehicles(raw: Raw) -> Sequence[Vehicle]:
    """Translate one answer of the list of cars."""
    return tuple(Vehicle(needed(one, "id"), text(one, "model") or "") for one in objects(raw, "vehicles"))


CONNECTOR = Connector(
    name="{name}",
    title="{title}",
    hosts={{"api": "https://api.{host}.invalid", "auth": "https://auth.{host}.invalid"}},
    auth=OAuth2(token_path="/oauth/token"),  # noqa: S106 - a path, no secret
    capabilities=lambda _model: Can.READ | Can.START | Can.STOP,
    read=Call("GET", "/vehicles/{{vehicle}}/status"),
    list_vehicles=Call("GET", "/vehicles"),
    commands={{
        Action.START: Call("POST", "/vehicles/{{vehicle}}/charging", {{"action": "START"}}),
        Action.STOP: Call("POST", "/vehicles/{{vehicle}}/charging", {{"action": "STOP"}}),
    }},
    kinds=(Kind("state", lambda raw: "soc" in raw, state),),
    vehicles=vehicles,
    limits=Limits(reads=Quota(30, timedelta(minutes=1)), commands=Quota(10, timedelta(minutes=1))),
    pace=Pace(plugged=timedelta(minutes=5), idle=timedelta(minutes=15)),
)
'''
_QUALITY = """done = []
todo = [
    "addresses and calls: those in the folder are made up",
    "samples: three real answers with what they must give",
]
"""
_SAMPLE = {
    "about": "replace by a real answer, its identities masked: plugged in and charging",
    "raw": {"replace": "me"},
    "expected": {"soc_pct": 57.0, "plug": "plugged", "charge": "charging"},
}


def write(name: str, title: str | None, into: Path) -> list[Path]:
    """Write the folder of a new connector; all its files. ValueError for a bad or taken name."""
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is no name for a connector; give lower-case letters, digits and _, as in acme")
    folder = into / name
    if folder.exists():
        raise ValueError(f"{folder} exists; remove it or choose another name")
    files = {
        "__init__.py": _CODE.format(name=name, title=title or name.title(), host=name.replace("_", "-")),
        "quality.toml": _QUALITY,
        "samples/charging.json": json.dumps(_SAMPLE, indent=2) + "\n",
    }
    for where, content in files.items():
        path = folder / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return [folder / where for where in files]
