"""Within a major version nothing breaks: what released versions wrote is read, and what we write they can read."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from streams import serde
from streams.examples import examples
from streams.topics import SCHEDULE, TELEMETRY
from tables import TABLES
from tests.compat.golden import HERE, Golden, frozen, models, records, schemas, versions
from tests.compat.rules import broken

VERSIONS = versions()
GOLDEN = [golden for version in VERSIONS for golden in records(version)]
ROWS = {f"table {table.name}": table for table in TABLES}
ACCEPTED = frozenset(json.loads((HERE / "accepted.json").read_text()))
PLACES = [pytest.param(version, place, id=f"{version} {place}") for version in VERSIONS for place in frozen(version)]


def again(golden: Golden) -> Any:
    """What we make of an old record, as we would write it."""
    value = golden.value.encode()
    if golden.place in ROWS:
        table = ROWS[golden.place]
        return json.loads(table.encode(table.decode(value)))
    model = models()[golden.place]
    serde.decode(golden.place, value)
    return json.loads(serde.encode(model.model_validate_json(value)))  # type: ignore[arg-type]


def assert_holds(old: Any, new: Any, place: str) -> None:
    """Everything that was said is still said."""
    if isinstance(old, dict):
        assert isinstance(new, dict), place
        assert old.keys() <= new.keys(), place
        for name, value in old.items():
            assert_holds(value, new[name], f"{place}.{name}")
    elif isinstance(old, list):
        assert len(old) == len(new), place
        for one, other in zip(old, new, strict=True):
            assert_holds(one, other, place)
    else:
        assert old == new, place


def test_there_is_a_released_version() -> None:
    assert "0.1.0" in VERSIONS
    assert len({golden.place for golden in GOLDEN}) > 35


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: f"{golden.version} {golden.place}")
def test_what_was_written_is_read_and_means_the_same(golden: Golden) -> None:
    assert_holds(json.loads(golden.value), again(golden), golden.place)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: f"{golden.version} {golden.place}")
def test_a_reader_of_before_reads_what_we_write_of_it(golden: Golden) -> None:
    for version in VERSIONS[VERSIONS.index(golden.version) :]:
        Draft202012Validator(frozen(version)[golden.place]).validate(again(golden))


@pytest.mark.parametrize(
    ("version", "topic"), [(version, topic) for version in VERSIONS for topic in examples() if topic in frozen(version)]
)
def test_a_reader_of_before_reads_todays_examples(version: str, topic: str) -> None:
    Draft202012Validator(frozen(version)[topic]).validate(json.loads(serde.encode(examples()[topic])))


@pytest.mark.parametrize(("version", "place"), PLACES)
def test_nothing_that_was_promised_is_broken(version: str, place: str) -> None:
    assert place in schemas(), f"{place}: is gone; version {version} reads and writes it"
    complaints = broken(frozen(version)[place], schemas()[place], ACCEPTED)
    assert not complaints, "\n".join(complaints)


def _removed(schema: Any) -> None:
    del schema["properties"]["soc_pct"]


def _renamed(schema: Any) -> None:
    schema["properties"]["soc_percent"] = schema["properties"].pop("soc_pct")


def _narrowed(schema: Any) -> None:
    schema["properties"]["soc_pct"]["anyOf"][0]["maximum"] = 99


def _never_null(schema: Any) -> None:
    schema["properties"]["soc_pct"] = schema["properties"]["soc_pct"]["anyOf"][0]


def _another_type(schema: Any) -> None:
    schema["properties"]["oem"]["type"] = "integer"


def _required(schema: Any) -> None:
    schema["properties"]["odometer_km"] = {"type": "number"}
    schema["required"].append("odometer_km")


def _new_word(schema: Any) -> None:
    schema["$defs"]["Charge"]["enum"].append("balancing")


def _lost_word(schema: Any) -> None:
    schema["$defs"]["Charge"]["enum"].remove("charging")


BREAKS = {
    _removed: "soc_pct: is gone",
    _renamed: "soc_pct: is gone",
    _narrowed: "soc_pct: maximum was 100 and is 99",
    _never_null: "soc_pct: is one of 0 kinds and was of 2",
    _another_type: "oem: type was string and is integer",
    _required: "odometer_km: is required; records of before do not have it",
    _new_word: "charge: the word balancing is new",
    _lost_word: "charge: the word charging is gone",
}


@pytest.mark.parametrize(("breaking", "said"), BREAKS.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_a_breaking_change_is_told_with_how_to_mend_it(breaking: Callable[[Any], None], said: str) -> None:
    old = schemas()[TELEMETRY.name]
    new = deepcopy(old)
    breaking(new)
    complaints = broken(old, new)
    assert any(complaint.startswith(said) for complaint in complaints), complaints
    assert broken(old, old) == []


def test_an_optional_field_and_other_words_for_people_break_nothing() -> None:
    old = schemas()[SCHEDULE.name]
    new = deepcopy(old)
    new["properties"]["note"] = {"type": "string", "default": ""}
    new["description"] = "Something else."
    new["$defs"]["Block"]["properties"]["note"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    assert broken(old, new) == []


def test_a_break_inside_a_part_is_seen() -> None:
    old = schemas()[SCHEDULE.name]
    new = deepcopy(old)
    del new["$defs"]["Block"]["properties"]["energy_kwh"]
    assert [complaint.partition(":")[0] for complaint in broken(old, new)] == ["blocks[].energy_kwh"]


def test_a_word_that_readers_were_told_of_is_accepted() -> None:
    old = schemas()[TELEMETRY.name]
    new = deepcopy(old)
    _new_word(new)
    assert broken(old, new, frozenset({"charge: balancing"})) == []
    assert broken(old, new, frozenset({"plug: balancing"})) != []
