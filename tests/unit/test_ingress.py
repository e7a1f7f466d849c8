"""What becomes of news: whose it is, when it is old, and that none is lost, made up, or brought back to life."""

import asyncio
from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engine.log import NotDurable
from agents.ingress.directory import Directory, Enrolled
from agents.ingress.intake import Origin, Parcel
from agents.ingress.news import AHEAD, OLDEST, Outcome, judge
from agents.ingress.roll import Roll
from agents.ingress.seen import Seen, fingerprint
from agents.partitions import home_partition
from agents.reads import poll_policy
from agents.said import Said
from agents.settings import load
from oem_connectors import registry
from oem_connectors.enode import hook
from oem_connectors.push import Event
from streams import hot, serde
from streams.contracts.telemetry import Plug
from streams.domain.reading_order import Case, Heard, Skip, left_alone
from streams.domain.vehicle import fold
from streams.domain.watched import Watched
from streams.topics import REGISTRATION, TELEMETRY, TOPICS
from tests.deliveries import (
    AWAY,
    HOME,
    HOUR,
    MINUTE,
    NOW,
    SEALER,
    SECOND,
    THERE,
    Desk,
    enode,
    erased,
    registration,
)

ENODE = registry.load()["enode"]
CAR = [Enrolled("a.b", HOME)]
ORIGIN = Origin("hooks/enode")


def event(**changes: Any) -> Event:
    told = enode(**{name: changes.pop(name) for name in ("soc", "place") if name in changes})
    return replace(Event("e-1", "v-1", "state", told["vehicle"], NOW - MINUTE), **changes)


def without_time(**told: Any) -> dict[str, Any]:
    return {"id": "v-1", "chargeState": {"batteryLevel": 40} | told}


class TestDirectory:
    def test_a_car_is_found_by_the_id_of_its_maker(self) -> None:
        directory = Directory(SEALER)
        directory.hear([registration("a.b", "enode", "v-1"), registration("c.d", "smartcar", "v-1", home=None)])
        assert directory.find("enode", "v-1") == [Enrolled("a.b", HOME)]
        assert directory.find("smartcar", "v-1") == [Enrolled("c.d", None)]
        assert directory.find("enode", "v-2") == []
        assert len(directory) == 2

    @pytest.mark.parametrize(
        "last",
        [
            pytest.param(erased("a.b"), id="erased"),
            pytest.param(registration("a.b", "enode", "v-1", consent="withdrawn"), id="withdrawn"),
            pytest.param(registration("a.b", "enode", "v-2"), id="another vehicle"),
            pytest.param(registration("a.b", "tesla", "v-1"), id="another maker"),
        ],
    )
    def test_a_car_that_has_gone_is_forgotten(self, last: Said) -> None:
        directory = Directory(SEALER)
        directory.hear([registration("a.b", "enode", "v-1"), last])
        assert directory.find("enode", "v-1") == []
        directory.hear([erased("a.b")])
        left = (directory._vehicles, directory._cars, directory._homes)
        assert left == ({}, {}, {})

    def test_two_accounts_may_have_enrolled_one_vehicle(self) -> None:
        directory = Directory(SEALER)
        directory.hear([registration("c.d", "enode", "v-1", "1,1"), registration("a.b", "enode", "v-1", "2,2")])
        assert directory.find("enode", "v-1") == [Enrolled("a.b", "2,2"), Enrolled("c.d", "1,1")]

    def test_cars_of_an_account_share_the_home_that_one_of_them_brought(self) -> None:
        directory = Directory(SEALER)
        directory.hear([registration("a.b", "enode", "v-1"), registration("a.c", "enode", "v-2", grant_sealed=None)])
        assert directory.find("enode", "v-2") == [Enrolled("a.c", HOME)]
        directory.hear([erased("a.b")])
        assert directory.find("enode", "v-2") == [Enrolled("a.c", None)]

    @pytest.mark.parametrize(
        "grant",
        [
            pytest.param("v2.beef.AAAA", id="another key"),
            pytest.param(SEALER.seal(b'{"token":"x"', "grant|a"), id="half a credential"),
            pytest.param(SEALER.seal(b'{"token":"x"}', "grant|a"), id="no details"),
            pytest.param(SEALER.seal(b"\xff", "grant|a"), id="no text"),
            pytest.param(SEALER.seal(b'{"token":"x","details":{"home":"1,1"}}', "grant|z"), id="of another account"),
        ],
    )
    def test_a_grant_that_cannot_be_read_gives_no_home_and_is_counted(self, grant: str) -> None:
        directory = Directory(SEALER)
        directory.hear([registration("a.b", "enode", "v-1", grant_sealed=grant)])
        assert directory.find("enode", "v-1") == [Enrolled("a.b", None)]
        assert directory.unreadable == 1

    def test_what_is_no_registration_leaves_the_car_as_it_was(self) -> None:
        directory = Directory(SEALER)
        directory.hear([registration("a.b", "enode", "v-1"), Said(REGISTRATION.name, "a.b", b"{")])
        assert directory.find("enode", "v-1") == CAR
        assert directory.unreadable == 1

    def test_the_home_does_not_show(self) -> None:
        assert HOME not in repr(CAR)


class TestRoll:
    def roll(self) -> Roll:
        found = Roll(load({}, seal_key=b64encode(bytes(32)).decode()))
        found.began()
        return found

    def test_half_a_log_names_nobody(self) -> None:
        roll = self.roll()
        roll.took([registration("a.b", "enode", "v-1")])
        assert (roll.known, roll.cars, roll.find("enode", "v-1")) == (False, 0, [])
        roll.reached()
        assert (roll.known, roll.cars, roll.find("enode", "v-1")) == (True, 1, CAR)

    def test_what_is_said_later_counts_at_once(self) -> None:
        roll = self.roll()
        roll.reached()
        roll.took([registration("a.b", "enode", "v-1"), Said(REGISTRATION.name, "c.d", b"{")])
        assert (roll.find("enode", "v-1"), roll.unreadable) == (CAR, 1)
        roll.took([erased("a.b")])
        assert roll.find("enode", "v-1") == []

    def test_a_log_that_is_read_anew_brings_nobody_back(self) -> None:
        roll = self.roll()
        roll.took([registration("a.b", "enode", "v-1"), erased("a.b"), registration("c.d", "enode", "v-2")])
        roll.reached()
        roll.began()
        roll.took([registration("a.b", "enode", "v-1")])
        assert roll.find("enode", "v-1") == []
        assert [one.car for one in roll.find("enode", "v-2")] == ["c.d"]
        roll.took([erased("a.b")])
        roll.reached()
        assert roll.find("enode", "v-2") == [], "erased while nobody listened, its tombstone compacted away"


class TestNews:
    def test_a_reading_with_the_time_of_the_car_and_the_place_as_one_bit(self) -> None:
        outcome, (reading,), _ = judge(ENODE, event(), CAR, NOW)
        assert outcome is Outcome.TELEMETRY
        assert (reading.car, reading.oem, reading.soc_pct, reading.plug) == ("a.b", "enode", 40, Plug.PLUGGED)
        assert (reading.car_time, reading.received_time, reading.at_home) == (NOW - MINUTE, NOW, True)

    @pytest.mark.parametrize(
        ("place", "home", "at_home"),
        [(THERE, HOME, True), (AWAY, HOME, False), (None, HOME, None), (THERE, None, None), (THERE, "nowhere", None)],
    )
    def test_at_home_is_told_only_where_both_places_are_known(
        self, place: tuple[float, float] | None, home: str | None, at_home: bool | None
    ) -> None:
        verdict = judge(ENODE, event(place=place), [Enrolled("a.b", home)], NOW)
        assert [one.at_home for one in verdict.readings] == [at_home]

    def test_each_car_that_is_the_vehicle_gets_its_reading(self) -> None:
        verdict = judge(ENODE, event(place=AWAY), [*CAR, Enrolled("c.d", "48.1,11.6")], NOW)
        assert [(one.car, one.at_home) for one in verdict.readings] == [("a.b", False), ("c.d", True)]

    @pytest.mark.parametrize(
        ("changes", "outcome"),
        [
            pytest.param({}, Outcome.TELEMETRY, id="good"),
            pytest.param({"consent_lost": True}, Outcome.CONSENT_LOST, id="consent"),
            pytest.param({"at": NOW - OLDEST}, Outcome.TELEMETRY, id="just not too old"),
            pytest.param({"at": NOW - OLDEST - SECOND}, Outcome.OLD, id="too old, though the car's time is not"),
            pytest.param({"at": NOW + AHEAD}, Outcome.TELEMETRY, id="a clock ahead of ours"),
            pytest.param({"at": NOW + AHEAD + SECOND}, Outcome.REFUSED, id="a time to come"),
            pytest.param({"soc": "many"}, Outcome.REFUSED, id="a wrong type"),
            pytest.param({"soc": 140}, Outcome.REFUSED, id="out of range"),
            pytest.param({"place": ("x", "y")}, Outcome.REFUSED, id="a wrong place"),
            pytest.param({"kind": "poem"}, Outcome.REFUSED, id="no such kind"),
            pytest.param({"raw": {}}, Outcome.SILENT, id="nothing said"),
            pytest.param({"raw": without_time(), "at": None}, Outcome.REFUSED, id="no time at all"),
        ],
    )
    def test_every_event_has_one_outcome(self, changes: dict[str, Any], outcome: Outcome) -> None:
        found = judge(ENODE, event(**changes), CAR, NOW)
        assert found.outcome is outcome
        assert bool(found.readings) is (outcome is Outcome.TELEMETRY)
        assert bool(found.cause) is (outcome is Outcome.REFUSED)

    def test_a_car_clock_far_ahead_is_refused_as_well(self) -> None:
        raw = without_time(lastUpdated=(NOW + HOUR).isoformat())
        assert judge(ENODE, event(raw=raw), CAR, NOW).outcome is Outcome.REFUSED

    @pytest.mark.parametrize("age", [timedelta(0), HOUR, OLDEST + HOUR])
    def test_without_the_time_of_the_event_its_age_is_that_of_the_sample(self, age: timedelta) -> None:
        raw = without_time(lastUpdated=(NOW - age).isoformat())
        expected = Outcome.OLD if age > OLDEST else Outcome.TELEMETRY
        assert judge(ENODE, event(raw=raw, at=None), CAR, NOW).outcome is expected

    def test_the_time_of_the_event_stands_in_for_the_time_of_the_car(self) -> None:
        verdict = judge(ENODE, event(raw=without_time(), at=NOW - 20 * HOUR), CAR, NOW)
        assert [one.car_time for one in verdict.readings] == [NOW - 20 * HOUR]

    def test_news_of_a_stranger_are_nobody_s(self) -> None:
        assert judge(ENODE, event(), [], NOW).outcome is Outcome.UNKNOWN

    def test_a_rule_that_breaks_its_promise_costs_one_event(self) -> None:
        def place(raw: Any) -> tuple[float, float]:
            raise KeyError(str(raw))

        broken = replace(ENODE, place=place)
        assert judge(broken, event(), CAR, NOW).outcome is Outcome.REFUSED


class TestSeen:
    def test_the_oldest_are_forgotten_first(self) -> None:
        seen = Seen(most=2)
        seen.add([b"1", b"2"])
        seen.add([b"1", b"3"])
        assert [mark in seen for mark in (b"1", b"2", b"3")] == [True, False, True]

    def test_ids_of_two_makers_are_two_ids(self) -> None:
        assert fingerprint("enode", "1") != fingerprint("smartcar", "1")
        assert fingerprint("enode", "\ud800") != fingerprint("enode", "?")


def parcel(*told: dict[str, Any]) -> Parcel:
    return Parcel(ORIGIN, b"", hook.events(list(told)))


@pytest.fixture
def desk() -> Desk:
    return Desk([registration("a.b", "enode", "v-1"), registration("c.d", "enode", "v-2")])


async def test_records_lie_where_the_car_s_other_records_lie_and_say_what_they_are(desk: Desk) -> None:
    await desk.intake.take(ENODE, [parcel(enode("v-1"), enode("v-2"))])
    first, second = desk.log.of(TELEMETRY.name)
    assert [one.key for one in (first, second)] == [b"a.b", b"c.d"]
    assert [one.partition for one in (first, second)] == [home_partition("a.b", 6), home_partition("c.d", 6)]
    headers = dict(first.headers)
    assert headers["ce_type"] == TELEMETRY.name.encode()
    assert headers["ce_source"] == b"/d2ev/ingress"
    assert headers["ce_time"] == serde.rfc3339(NOW).encode()
    assert headers["ce_id"] != dict(second.headers)["ce_id"]


async def test_a_repeated_event_is_taken_once_and_after_a_restart_bears_the_same_id(desk: Desk) -> None:
    await desk.intake.take(ENODE, [parcel(enode(), enode())])
    await desk.intake.take(ENODE, [parcel(enode())])
    assert len(desk.log.telemetry()) == 1
    assert desk.events() == {"telemetry": 1, "duplicate": 2}
    desk.restart()
    desk.time.at += HOUR
    await desk.intake.take(ENODE, [parcel(enode())])
    one, other = (dict(record.headers)["ce_id"] for record in desk.log.of(TELEMETRY.name))
    assert one == other


async def test_a_replayed_event_changes_nothing_even_where_it_was_forgotten(desk: Desk) -> None:
    await desk.intake.take(ENODE, [parcel(enode(soc=40, at=NOW - HOUR)), parcel(enode(soc=60, at=NOW - MINUTE))])
    desk.restart()
    desk.time.at += 5 * MINUTE
    await desk.intake.take(ENODE, [parcel(enode(soc=40, at=NOW - HOUR)), parcel(enode(soc=60, at=NOW - MINUTE))])
    state, states = None, []
    for record in desk.log.of(TELEMETRY.name):
        state = fold(state, hot.decode_telemetry(record.value or b""))
        states.append(state)
    assert len(states) == 4
    assert states[3] is states[2] is states[1]


async def test_a_car_that_told_by_itself_is_read_later(desk: Desk) -> None:
    await desk.intake.take(ENODE, [parcel(enode(at=NOW - SECOND))])
    state = fold(None, hot.decode_telemetry(desk.log.of(TELEMETRY.name)[0].value or b""))
    heard = Heard(state.car_time, state.received_time)
    unheard = Case("a.b", Watched(known=True), None, poll_policy(ENODE, "", MINUTE), ZoneInfo("Europe/Berlin"))
    assert left_alone(unheard, NOW) is None
    why, until = left_alone(unheard._replace(heard=heard), NOW) or (None, NOW)
    assert why is Skip.STREAMED
    assert until > NOW


async def test_what_was_not_durable_is_not_remembered(desk: Desk) -> None:
    desk.log.down = True
    with pytest.raises(NotDurable):
        await desk.intake.take(ENODE, [parcel(enode())])
    assert desk.events() == {}
    desk.log.down = False
    await desk.intake.take(ENODE, [parcel(enode())])
    assert len(desk.log.telemetry()) == 1


async def test_a_stranger_s_news_are_taken_when_it_is_enrolled_before_they_come_again(desk: Desk) -> None:
    await desk.intake.take(ENODE, [parcel(enode("v-3"))])
    desk.directory.hear([registration("e.f", "enode", "v-3")])
    await desk.intake.take(ENODE, [parcel(enode("v-3"))])
    assert [one.car for one in desk.log.telemetry()] == ["e.f"]


async def test_a_refused_event_is_kept_sealed_and_the_others_go_on(desk: Desk) -> None:
    await desk.intake.take(ENODE, [parcel(enode("v-1", soc="marker-7391"), enode("v-2"))])
    (letter,) = desk.log.letters()
    assert (letter.stage, letter.topic, letter.cause) == (
        "ingress",
        "hooks/enode",
        "chargeState.batteryLevel must be a finite number",
    )
    assert "7391" not in letter.model_dump_json()
    assert b"marker-7391" in SEALER.open(letter.sealed_value or "", "hooks/enode|0|-1")
    assert [one.car for one in desk.log.telemetry()] == ["c.d"]


async def test_it_writes_the_topics_that_say_so_and_no_others(desk: Desk) -> None:
    every = [
        enode(told=told, soc=soc) for told in ("user:vehicle:updated", "user:vehicle:deleted") for soc in (1, "bad")
    ]
    await desk.intake.take(ENODE, [parcel(*every), Parcel(ORIGIN, b"{", cause="not JSON")])
    assert {one.topic for one in desk.log.written} == {one.name for one in TOPICS if "ingress" in one.beside}


async def test_bytes_without_news_are_kept_once_however_often_they_come(desk: Desk) -> None:
    for _ in range(3):
        await desk.intake.take(ENODE, [Parcel(Origin("fleet_V", 3, 77, b"vin"), b"\xff\x00", cause="no record")])
    (letter,) = desk.log.letters()
    assert (letter.topic, letter.partition, letter.offset) == ("fleet_V", 3, 77)
    assert SEALER.open(letter.sealed_value or "", "fleet_V|3|77") == b"\xff\x00"
    assert SEALER.open(letter.sealed_key or "", "fleet_V|3|77") == b"vin"
    assert desk.events() == {"refused": 1, "duplicate": 2}


AT = st.sampled_from([NOW - 31 * HOUR, NOW - HOUR, NOW - MINUTE, NOW + HOUR])
TOLD = st.builds(
    enode,
    vehicle=st.sampled_from(["v-1", "v-2", "stranger"]),
    soc=st.sampled_from([10, 50, None, "bad", 300]),
    at=AT,
    told=st.sampled_from(["user:vehicle:updated"] * 4 + ["user:vehicle:deleted"]),
)


@given(batches=st.lists(st.tuples(st.lists(TOLD, max_size=5), st.integers(0, 2), st.booleans()), max_size=8))
def test_nothing_is_lost_between_the_maker_and_the_log(batches: list[tuple[list[dict[str, Any]], int, bool]]) -> None:
    """Every batch is sent until it is taken; the log fails now and then, and so does the process."""
    desk = Desk([registration("a.b", "enode", "v-1"), registration("c.d", "enode", "v-2")])
    asked = asyncio.run(_deliver(desk, batches))
    counts = desk.events()
    assert sum(counts.values()) == asked
    assert counts.get("telemetry", 0) == len(desk.log.telemetry())
    assert counts.get("refused", 0) == len(desk.log.letters())
    cars = {"v-1": "a.b", "v-2": "c.d"}
    good = {
        (cars[one["vehicle"]["id"]], one["vehicle"]["chargeState"]["batteryLevel"], _at(one))
        for batch, _, _ in batches
        for one in batch
        if one["vehicle"]["id"] in cars and one["event"] == "user:vehicle:updated"
        if one["vehicle"]["chargeState"]["batteryLevel"] in {10, 50, None} and NOW - OLDEST <= _at(one) <= NOW
    }
    assert {(one.car, one.soc_pct, one.car_time) for one in desk.log.telemetry()} == good


def _at(told: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(told["createdAt"])


async def _deliver(desk: Desk, batches: list[tuple[list[dict[str, Any]], int, bool]]) -> int:
    taken = 0
    for batch, failures, dies in batches:
        for _ in range(failures):
            desk.log.down = True
            with pytest.raises(NotDurable):
                await desk.intake.take(ENODE, [parcel(*batch)])
        desk.log.down = False
        if dies:
            desk.restart()
        await desk.intake.take(ENODE, [parcel(*batch)])
        taken += len(batch)
    return taken
