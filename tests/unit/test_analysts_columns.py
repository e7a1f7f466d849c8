"""What analysts see is read off the declarations: nothing secret, nothing unclassified, nothing unexplained."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from streams import hot
from streams.contracts.vehicle import VehicleState
from streams.topics import TOPICS
from tables import TABLES
from tables.columns import NAMES, OPEN_TEXT, WITHHELD, Column, Privacy, columns_of, privacy_of
from tables.dictionary import entries
from tables.relations import relation, relations

SECRET = {"sealed", "token", "grant", "wrapped", "lat", "lon", "latitude", "longitude", "coordinates", "vin", "origins",
          "body", "title", "detail", "vehicle", "secret", "password"}  # fmt: skip


def texts(node: Any, name: str = "") -> Iterator[str]:
    """Names under which free text stands in a schema."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, Mapping):
        return
    if node.get("type") == "string" and not {"enum", "const", "format"} & node.keys():
        yield name
    for key, below in node.items():
        if key in {"properties", "$defs"}:
            for field, inner in below.items():
                yield from texts(inner, field if key == "properties" else "")
        elif key != "propertyNames":
            yield from texts(below, name)


def test_every_text_was_classified_by_somebody() -> None:
    declared: list[type[Any]] = [*(topic.model for topic in TOPICS), *(table.model for table in TABLES)]
    models = {VehicleState if model is hot.VehicleRow else model for model in declared}
    found = {name for model in models for name in texts(model.model_json_schema(mode="serialization"))}
    known = OPEN_TEXT | NAMES | WITHHELD
    assert {name for name in found if name and name not in known and not name.endswith("_session")} == set()


def test_what_nobody_classified_is_withheld() -> None:
    assert privacy_of("something_new", {"type": "string"}) is Privacy.WITHHELD
    assert privacy_of("something_new", {"type": "string", "format": "email"}) is Privacy.WITHHELD
    assert privacy_of("something_new", {"type": "object", "additionalProperties": {}}) is Privacy.WITHHELD
    assert privacy_of("something_new", {"type": "array", "prefixItems": [{"type": "string"}]}) is Privacy.WITHHELD
    assert privacy_of("something_new", {"type": "number"}) is Privacy.OPEN


def shown(columns: tuple[Column, ...], path: str = "") -> Iterator[str]:
    for column in columns:
        if column.privacy is not Privacy.WITHHELD:
            yield f"{path}{column.name}"
            yield from shown(column.fields, f"{path}{column.name}.")


def test_no_secret_and_no_place_is_shown() -> None:
    every = {f"{name}.{below}" for name, one in relations().items() for below in shown(one.shown)}
    assert {path for path in every if SECRET & set(path.rpartition(".")[2].split("_"))} == set()


def test_every_column_of_a_published_topic_is_explained() -> None:
    blank = [
        f"{name}.{entry.column}"
        for name, one in relations().items()
        if one.schema == "topics"
        for entry in entries(one)
        if entry.privacy is not Privacy.WITHHELD and not entry.meaning
    ]
    assert blank == []


def test_units_stand_beside_the_numbers() -> None:
    units = {entry.column: entry.unit for entry in entries(relation("session.event"))}
    assert units["energy_kwh"] == "kWh"
    assert units["carbon_saved_g"] == "g"
    assert units["slots.carbon_g_per_kwh"] == "g/kWh"
    assert units["saving"] == "currency"
    assert units["plugged_at"] == "UTC"


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("plug.event", "topics.plug_event"),
        ("d2ev.plug.event.v1", "topics.plug_event"),
        ("vehicle-state", "tables.vehicle_state"),
        ("vehicle_state", "tables.vehicle_state"),
        ("vehicle.state", "topics.vehicle_state"),
        ("topics.vehicle_state", "topics.vehicle_state"),
        ("plans", "tables.plans"),
    ],
)
def test_a_relation_is_found_by_any_of_its_names(name: str, full: str) -> None:
    assert relation(name).full_name == full


def test_a_name_that_is_none_lists_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"^no table or topic 'plan'; there are tables\.accounts, "):
        relation("plan")


def test_private_topics_are_not_there() -> None:
    assert {one.source for one in relations().values() if one.schema == "topics"} == {
        topic.name for topic in TOPICS if topic.public
    }


def test_the_key_is_told_once() -> None:
    below = dict(entry[:2] for entry in entries(relation("plans")))
    assert "car" in below
    assert not [path for path in below if path.endswith(".car")]


def test_types_are_duckdbs() -> None:
    kinds = {column.name: column.type for column in columns_of(VehicleState)}
    assert kinds["soc_pct"] == "DOUBLE"
    assert kinds["at_home"] == "BOOLEAN"
    assert kinds["session"].startswith('STRUCT("id" VARCHAR, "plugged_at" TIMESTAMPTZ, ')
