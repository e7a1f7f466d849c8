"""The columns of a message or row, read off its declaration: type, unit, meaning, and what an analyst may see of it.

Text is withheld unless it is named here: what nobody classified is seen by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel

from streams import hot
from streams.contracts.vehicle import VehicleState


class Privacy(StrEnum):
    """What is shown of a column."""

    OPEN = "open"
    PSEUDONYM = "pseudonym"
    WITHHELD = "withheld"


#: Text that says nothing of who or where.
OPEN_TEXT: Final = frozenset(
    {"cause", "currency", "curves", "flags", "home_zone", "key", "model", "oem", "ready_by", "ready_by_days", "reason",
     "region", "sentence", "serves", "source", "stage", "tariff", "topic", "unit"}
)  # fmt: skip
#: Names of somebody, of a thing of his, or made from one: told under another name, the same everywhere.
NAMES: Final = frozenset({"account", "announced_session", "car", "cars", "device", "driver", "id", "session",
                          "session_id", "settled_session_id"})  # fmt: skip
#: Secrets, texts of others, and what nobody outside needs.
WITHHELD: Final = frozenset(
    {"body", "body_sealed", "detail", "devices", "goal", "grant_sealed", "name", "origins", "request", "said",
     "sealed_access", "sealed_key", "sealed_token", "sealed_value", "target_sealed", "title", "told", "undone_switch",
     "vehicle", "version", "wrapped"}
)  # fmt: skip

_UNITS: Final = {
    "_g_per_kwh": "g/kWh",
    "_per_tonne": "currency/t CO2",
    "_pct": "%",
    "_kwh": "kWh",
    "_kw": "kW",
    "_km": "km",
    "_g": "g",
    "_seconds": "s",
    "_minutes": "min",
    "_hours": "h",
    "_minute": "min since 1970",
}
_TIMES: Final = frozenset({"date-time", "date", "time", "duration"})
_MONEY: Final = frozenset({"cost", "saving", "saved", "objective"})
_MEANINGS: Final = {
    "account": "OEM account",
    "action": "what was asked of the car",
    "at": "when it was so",
    "at_home": "whether the car is at home",
    "attempt": "which try it is, from 1",
    "blocks": "when it charges",
    "car": "the car",
    "carbon_g": "CO2 emitted",
    "carbon_g_per_kwh": "carbon intensity",
    "carbon_issued_at": "carbon vintage it was made with",
    "carbon_price_per_tonne": "how carbon is weighed against money",
    "cars": "the account's cars",
    "cause": "why it was refused",
    "charge": "what the car says about charging",
    "confidence": "0 to 1",
    "consent": "whether it may be controlled",
    "cost": "what it costs",
    "currency": "ISO 4217",
    "curves": "tariffs and carbon prices planned on",
    "decided_at": "when it was decided",
    "driver": "the driver",
    "efficiency": "battery kWh per wall kWh",
    "end": "end, not included",
    "end_evidence": "what showed the end",
    "end_soc_pct": "state of charge at the end",
    "ended_at": "when the cable left the car",
    "energy_kwh": "at the wall",
    "evidence": "what showed it",
    "expected_soc_pct": "state of charge expected at ready-by",
    "home_zone": "IANA time zone of the home",
    "id": "its own id",
    "issued_at": "when the vintage was made",
    "kind": "what it is",
    "known_until": "up to when prices were known",
    "limit_pct": "charge limit set in the car",
    "link": "health of the link to the OEM account",
    "managed": "as it was",
    "median_seconds": "half are faster",
    "min_soc_pct": "reached at once, whatever it costs",
    "mode": "smart, boosted or paused",
    "model": "model of the car",
    "next_start": "when charging starts next",
    "now": "when it was made",
    "observed_at": "when we saw it",
    "odometer_km": "as the car says",
    "oem": "maker of the car",
    "offset": "of the refused record",
    "oracle": "the best with perfect knowledge",
    "p90_seconds": "nine of ten are faster",
    "partition": "partition of the log",
    "phase": "where it stands",
    "plan_revision": "revision of the plan",
    "plug": "whether the cable is in the car",
    "plugged_at": "when the cable went in",
    "power_kw": "at the wall",
    "preference_updated_at": "wish it was made with",
    "price": "price per kWh",
    "price_issued_at": "price vintage it was made with",
    "promise": "what became of ready-by",
    "provisional": "whether prices are still to come",
    "range_km": "as the car says",
    "reachable": "whether the target is reached by ready-by",
    "ready_at": "when it is expected to be ready",
    "ready_by": "when it is wanted",
    "ready_by_days": "wish by weekday",
    "reason": "why, for machines",
    "received_time": "when we heard it",
    "region": "carbon region",
    "registered_at": "when it was enrolled",
    "revision": "grows with every change",
    "samples": "how many it is of",
    "saved_carbon_g": "CO2 saved in the last session",
    "sentence": "why, for people",
    "session": "its plug session",
    "session_id": "plug session",
    "session_revision": "revision of the plug session",
    "settled_at": "when it was settled",
    "settled_session_id": "the last settled session",
    "shortfall_kwh": "energy missing at ready-by",
    "since": "since when",
    "soc_pct": "state of charge",
    "soc_time": "when the state of charge was sampled",
    "source": "where the forecast came from",
    "stage": "who refused it",
    "start": "start, included",
    "start_soc_pct": "state of charge at the start",
    "target_soc_pct": "wanted state of charge",
    "tariff": "key of the price forecast",
    "timer": "charged by a timer at 00:30",
    "topic": "where the refused record is",
    "unit": "unit of the values",
    "unmanaged": "charged at once",
    "updated_at": "when it was changed",
    "usable_kwh": "usable battery",
    "value": "constant inside the slot",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or a field of a STRUCT (`fields`) or of the elements of a list (`is_list`)."""

    name: str
    kind: str
    meaning: str = ""
    privacy: Privacy = Privacy.OPEN
    choices: tuple[str, ...] = ()
    fields: tuple[Column, ...] = ()
    is_list: bool = False

    @property
    def unit(self) -> str:
        """The unit that its name tells."""
        if self.kind == "TIMESTAMPTZ":
            return "UTC"
        if self.kind not in {"DOUBLE", "BIGINT"}:
            return ""
        found = next((unit for suffix, unit in _UNITS.items() if self.name.endswith(suffix)), "")
        return found or ("currency" if self.name in _MONEY else "")

    @property
    def shown(self) -> tuple[Column, ...]:
        """The fields that are not withheld."""
        return tuple(field for field in self.fields if field.privacy is not Privacy.WITHHELD)

    @property
    def type(self) -> str:
        """Its DuckDB type, withheld fields left out."""
        base = self.kind
        if self.fields:
            base = "STRUCT(" + ", ".join(f'"{field.name}" {field.type}' for field in self.shown) + ")"
        return base + ("[]" if self.is_list else "")

    def walk(self, path: str = "") -> Iterator[tuple[str, Column]]:
        """It and all below it, by dotted path."""
        here = f"{path}.{self.name}" if path else self.name
        yield here, self
        for field in self.fields:
            yield from field.walk(here)


def columns_of(model: type[Any]) -> tuple[Column, ...]:
    """The columns of a declared message or row."""
    contract: type[BaseModel] = VehicleState if model is hot.VehicleRow else model
    schema = contract.model_json_schema(mode="serialization")
    definitions: Mapping[str, Any] = schema.get("$defs", {})
    return tuple(_column(name, node, definitions) for name, node in schema["properties"].items())


def _column(name: str, node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Column:
    meaning = str(node.get("description") or _MEANINGS.get(name, ""))
    node, is_list = _resolved(node, definitions), False
    if node.get("type") == "array" and "prefixItems" not in node:
        inner = _resolved(node["items"], definitions)
        if inner.get("type") != "array":
            node, is_list = inner, True
    privacy = privacy_of(name, node)
    if node.get("type") == "object" and "properties" in node:
        fields = tuple(_column(field, below, definitions) for field, below in node["properties"].items())
        if not any(field.privacy is not Privacy.WITHHELD for field in fields):
            privacy = Privacy.WITHHELD
        about = meaning or str(node.get("description", "")).split(". ", maxsplit=1)[0].split("\n\n", maxsplit=1)[0]
        return Column(name, "STRUCT", " ".join(about.split()), privacy, (), fields, is_list)
    choices = tuple(node.get("enum", [node["const"]] if "const" in node else []))
    return Column(name, _kind(node), " ".join(meaning.split()), privacy, choices, (), is_list)


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without references and the alternative null."""
    while True:
        if "$ref" in node:
            node = definitions[node["$ref"].rpartition("/")[2]]
        elif "anyOf" in node:
            (node,) = (one for one in node["anyOf"] if one.get("type") != "null")
        else:
            return node


def _kind(node: Mapping[str, Any]) -> str:
    match node.get("type"):
        case "string":
            return "TIMESTAMPTZ" if node.get("format") == "date-time" else "VARCHAR"
        case "number":
            return "DOUBLE"
        case "integer":
            return "BIGINT"
        case "boolean":
            return "BOOLEAN"
        case "object":
            return "MAP(VARCHAR, VARCHAR)"
        case _:
            return "JSON"


def is_text(node: Mapping[str, Any]) -> bool:
    """Text that could hold anything, or something that holds it."""
    match node.get("type"):
        case "string":
            return not {"enum", "const"} & node.keys() and node.get("format") not in _TIMES
        case "array":
            return any(is_text(one) for one in node.get("prefixItems", [{"type": "string"}]))
        case "object":
            return "properties" not in node
        case _:
            return False


def privacy_of(name: str, node: Mapping[str, Any]) -> Privacy:
    """What is shown of a field of this name and schema."""
    if name in WITHHELD:
        return Privacy.WITHHELD if is_text(node) else Privacy.OPEN
    if not is_text(node):
        return Privacy.OPEN
    if name in NAMES or name.endswith("_session"):
        return Privacy.PSEUDONYM
    return Privacy.OPEN if name in OPEN_TEXT else Privacy.WITHHELD
