"""What changes of documents mean: whose they are, whether they are newer, and that they say what they may."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.bridge.changes import Change, Elsewhere, Kind, Outcome, Unreadable, Verdict, judge, read
from agents.bridge.known import Known
from agents.bridge.values import NoValue, fields, plain_fields
from agents.envelope import seal_context
from agents.said import Said
from agents.sealing import Sealer
from agents.settings import load
from deploy.fakes.firestore import FakeFirestore
from streams import serde
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.topics import PREFERENCE, REGISTRATION
from tests.bridging import NOW

MINUTE = timedelta(minutes=1)
SEALER = load({}).sealer()
CAR: dict[str, Any] = {
    "oem": "simulator", "vehicle": "car1", "model": "Compact 58", "usable_kwh": 58, "power_kw": 7.4,
    "home_zone": "Europe/London", "region": "GB", "tariff": "agile",
}  # fmt: skip


def enrolled(car: str = "a.b", driver: str = "anna", **changed: Any) -> Said:
    told = CAR | {"car": car, "driver": driver, "registered_at": NOW} | changed
    return Said(REGISTRATION.name, car, serde.encode(Registration.model_validate(told)))


def erased(car: str = "a.b", minutes: int = 0) -> Said:
    return Said(REGISTRATION.name, car, None, NOW + minutes * MINUTE)


def wished(car: str = "a.b", minutes: int = 0) -> Said:
    return Said(PREFERENCE.name, car, serde.encode(Preference(car=car, updated_at=NOW + minutes * MINUTE)))


def known(*said: Said) -> Known:
    found = Known()
    found.hear(said)
    return found


def change(
    kind: Kind, told: Mapping[str, Any] | None, minutes: int = 1, driver: str = "anna", car: str = "a.b"
) -> Change:
    return Change(kind, driver, car, NOW + minutes * MINUTE, told)


def judged(one: Change, *said: Said, sealer: Sealer = SEALER) -> Verdict:
    return judge(one, known(*said), sealer)


def test_a_registration_is_what_the_document_says_and_its_path() -> None:
    verdict = judged(change(Kind.REGISTRATION, CAR))
    assert verdict.outcome is Outcome.TAKEN
    made = verdict.message
    assert isinstance(made, Registration)
    assert (made.car, made.driver, made.registered_at, made.oem) == ("a.b", "anna", NOW + MINUTE, "simulator")


def test_a_preference_is_what_the_document_says_and_by_default_what_it_leaves_out() -> None:
    told = {"ready_by": "06:30", "ready_by_days": {"sat": "10:00"}, "target_soc_pct": 90, "mode": "boost"}
    verdict = judged(change(Kind.PREFERENCE, told), enrolled())
    assert verdict == Verdict(
        Outcome.TAKEN,
        Preference(
            car="a.b", ready_by=time(6, 30), ready_by_days={"sat": time(10)}, target_soc_pct=90, mode="boost",
            updated_at=NOW + MINUTE,
        ),
    )  # fmt: skip


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("minutes", "taken"), [(-1, False), (0, False), (1, True)])
def test_what_is_not_newer_changes_nothing(kind: Kind, minutes: int, taken: bool) -> None:
    told = CAR if kind is Kind.REGISTRATION else {}
    verdict = judged(change(kind, told, minutes), enrolled(), wished())
    assert verdict.outcome is (Outcome.TAKEN if taken else Outcome.OLD)
    gone = judged(change(kind, None, minutes), enrolled(), wished())
    assert gone.outcome is (Outcome.TAKEN if taken else Outcome.OLD)


def test_deleting_a_registration_erases_and_deleting_a_preference_brings_the_default() -> None:
    assert judged(change(Kind.REGISTRATION, None), enrolled()) == Verdict(Outcome.TAKEN, None)
    verdict = judged(change(Kind.PREFERENCE, None), enrolled())
    assert verdict.message == Preference(car="a.b", updated_at=NOW + MINUTE)


@pytest.mark.parametrize(("minutes", "outcome"), [(4, Outcome.OLD), (5, Outcome.OLD), (6, Outcome.TAKEN)])
def test_a_late_event_does_not_bring_an_erased_car_back(minutes: int, outcome: Outcome) -> None:
    history = enrolled(), erased(minutes=5)
    assert judged(change(Kind.REGISTRATION, CAR, minutes), *history).outcome is outcome
    assert judged(change(Kind.REGISTRATION, None, minutes), *history).outcome is Outcome.OLD
    assert judged(change(Kind.PREFERENCE, {}, minutes), *history).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("one", "said"),
    [
        pytest.param(change(Kind.REGISTRATION, CAR), [enrolled(driver="bert")], id="another's car"),
        pytest.param(change(Kind.REGISTRATION, None), [enrolled(driver="bert")], id="another's car, deleted"),
        pytest.param(change(Kind.REGISTRATION, CAR, car="a.c"), [enrolled(driver="bert")], id="another's account"),
        pytest.param(change(Kind.REGISTRATION, CAR, car="x.y"), [enrolled(driver="bert")], id="another's vehicle"),
        pytest.param(change(Kind.PREFERENCE, {}), [enrolled(driver="bert")], id="a wish for another's car"),
        pytest.param(change(Kind.PREFERENCE, None), [enrolled(driver="bert")], id="a wish deleted"),
        pytest.param(
            change(Kind.REGISTRATION, CAR, car="a.b"),
            [enrolled("x.y", "bert"), enrolled("a.b", "anna", vehicle="car2")],
            id="changing over to another's vehicle",
        ),
    ],
)
def test_nobody_reaches_another_drivers_car(one: Change, said: list[Said]) -> None:
    verdict = judged(one, *said)
    assert (verdict.outcome, verdict.message) == (Outcome.FOREIGN, None)


def test_a_car_that_changed_hands_is_its_new_drivers() -> None:
    history = enrolled(driver="bert"), erased(), enrolled(driver="anna")
    assert judged(change(Kind.REGISTRATION, CAR), *history).outcome is Outcome.TAKEN


@pytest.mark.parametrize(
    ("kind", "told", "cause"),
    [
        (Kind.REGISTRATION, {}, "oem: missing"),
        (Kind.REGISTRATION, CAR | {"driver": "bert"}, "it names another car or driver than its path"),
        (Kind.REGISTRATION, CAR | {"car": "a.c"}, "it names another car or driver than its path"),
        (Kind.REGISTRATION, CAR | {"refresh_token": "SECRET"}, "it has fields that do not belong there"),
        (Kind.REGISTRATION, CAR | {"registered_at": NOW}, "it has fields that do not belong there"),
        (Kind.REGISTRATION, CAR | {"grant_sealed": "SECRET"}, "grant_sealed: not sealed by us for this account"),
        (Kind.REGISTRATION, CAR | {"home_zone": "SECRET"}, "home_zone: value_error"),
        (Kind.REGISTRATION, CAR | {"usable_kwh": 9e9}, "usable_kwh: less_than_equal"),
        (Kind.REGISTRATION, CAR | {"usable_kwh": float("nan")}, "usable_kwh: finite_number"),
        (Kind.PREFERENCE, {"target_soc_pct": 900}, "target_soc_pct: less_than_equal"),
        (Kind.PREFERENCE, {"ready_by": "SECRET"}, "ready_by: time_parsing"),
        (Kind.PREFERENCE, {"ready_by_days": {"SECRET": "07:00"}}, "ready_by_days: literal_error"),
        (Kind.PREFERENCE, {"updated_at": NOW + timedelta(days=9)}, "it has fields that do not belong there"),
        (Kind.PREFERENCE, {"min_soc_pct": 90, "target_soc_pct": 80}, "min_soc_pct: above the target"),
        (Kind.PREFERENCE, {"ready_by": "07:00Z"}, "ready_by: not a local time to the minute"),
        (Kind.PREFERENCE, {"ready_by_days": {"sun": "07:00:30"}}, "ready_by: not a local time to the minute"),
        (Kind.PREFERENCE, {"car": "a.c"}, "it names another car or driver than its path"),
    ],
)
def test_what_may_not_be_said_is_refused_without_being_quoted(kind: Kind, told: dict[str, Any], cause: str) -> None:
    verdict = judged(change(kind, told), *([] if kind is Kind.REGISTRATION else [enrolled()]))
    assert (verdict.outcome, verdict.message) == (Outcome.REFUSED, None)
    assert verdict.cause == cause


@pytest.mark.parametrize(
    ("context", "outcome"), [(seal_context("a"), Outcome.TAKEN), (seal_context("c"), Outcome.REFUSED)]
)
def test_a_grant_is_taken_only_as_we_sealed_it_for_this_account(context: str, outcome: Outcome) -> None:
    told = CAR | {"grant_sealed": SEALER.seal(b"token", context)}
    assert judged(change(Kind.REGISTRATION, told)).outcome is outcome
    assert judged(change(Kind.REGISTRATION, told), sealer=Sealer(bytes(32))).outcome is Outcome.REFUSED


def test_records_that_cannot_be_read_leave_things_as_they_were() -> None:
    found = known(enrolled(), Said(REGISTRATION.name, "a.b", b"{"), Said(PREFERENCE.name, "a.b", b"\xff"))
    assert found.unreadable == 2
    assert found.owners("a.b") == {"anna"}


PATH = "drivers/anna/preferences/a.b"


def test_an_event_is_read_as_firestore_tells_it() -> None:
    fake = FakeFirestore(lambda: NOW)
    event = fake.written(PATH, {"target_soc_pct": 80, "at_home": None})
    assert read(lower(event.headers), event.body) == Change(
        Kind.PREFERENCE, "anna", "a.b", NOW, {"target_soc_pct": 80, "at_home": None}
    )
    event = fake.written(PATH, None)
    assert read(lower(event.headers), event.body).fields is None
    event = fake.written("drivers/anna/registrations/c.d", CAR)
    assert read(lower(event.headers), event.body)[:3] == (Kind.REGISTRATION, "anna", "c.d")


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize("path", ["d2ev-status/a.b", "drivers/anna/other/a.b", "drivers/anna/preferences/ab", "x"])
def test_other_documents_are_none_of_ours(path: str) -> None:
    fake = FakeFirestore(lambda: NOW)
    event = fake.written(path if "/" in path else "x/y", {})
    with pytest.raises(Elsewhere):
        read(lower(event.headers), event.body)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"ce-type": "google.cloud.storage.object.v1.finalized"}, None),
        ({"ce-specversion": "0.3"}, None),
        ({"ce-document": "drivers/bert/preferences/a.b"}, None),
        ({}, b"SECRET"),
        ({}, b"[]"),
        ({}, b"[" * 100_000),
        ({}, b'{"value": {"fields": {}}}'),
        ({}, b'{"value": {"name": 3, "updateTime": "2026-11-23T20:00:00Z"}}'),
        ({}, b'{"value": {"name": "x/documents/drivers/anna/preferences/a.b", "updateTime": "SECRET"}}'),
        ({}, b'{"value": {"name": "x/documents/drivers/anna/preferences/a.b", "updateTime": "2026-11-23T20:00:00"}}'),
        ({"ce-time": "SECRET"}, b'{"oldValue": {}}'),
    ],
)
def test_what_is_no_event_of_a_document_is_unreadable(headers: dict[str, str], body: bytes | None) -> None:
    event = FakeFirestore(lambda: NOW).written(PATH, {})
    with pytest.raises(Unreadable) as caught:
        read(lower(event.headers) | headers, event.body if body is None else body)
    assert "SECRET" not in str(caught.value)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(),
    st.datetimes(timezones=st.just(NOW.tzinfo)),
)  # fmt: skip
NAMES = st.text(min_size=1, max_size=5)


VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_values_come_back_as_they_went(told: dict[str, Any]) -> None:
    typed = json.loads(json.dumps(fields(told)))
    assert plain_fields(typed) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["integerValue", "doubleValue", "mapValue", "arrayValue", "fields", "values", "bytesValue",
                         "timestampValue", "nullValue", "geoPointValue"]), inner, max_size=2),
)  # fmt: skip


@given(JSON)
def test_any_other_json_is_no_value(told: Any) -> None:
    with suppress(NoValue):
        plain_fields(told)
