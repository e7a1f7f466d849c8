"""The book: whatever order topics are read in, it says the same, and what was erased stays erased."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.driver_api.book import MESSAGES_KEPT, SESSIONS_KEPT, SOURCES, Book
from agents.driver_api.read_model import ReadModel
from agents.said import Said
from agents.settings import Settings
from streams import serde
from streams.contracts.base import Contract
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.contracts.notification import NotificationEvent, NotificationKind, NotificationPhase
from streams.contracts.preference import Preference
from streams.contracts.push_device import PushDevice
from streams.contracts.registration import Registration
from streams.contracts.session import Promise, SessionSettled
from streams.topics import DEVICE, NOTIFICATION, PREFERENCE, PRICE, REGISTRATION, SESSION, STATUS, Topic
from tests.browser.made_up_driver import EVENING, HOUR

CAR = "a1.v1"


def said(topic: Topic, key: str, message: Contract | None) -> Said:
    return Said(topic.name, key, None if message is None else serde.encode(message))


def enrolled(car: str = CAR, driver: str = "anna", hours: float = 0, **more: Any) -> Said:
    told: dict[str, Any] = {
        "car": car, "driver": driver, "oem": "simulator", "vehicle": car.partition(".")[2], "model": "Kona",
        "usable_kwh": 64, "power_kw": 7.4, "home_zone": "Europe/London", "region": "home", "tariff": "home",
        "registered_at": EVENING + hours * HOUR,
    }  # fmt: skip
    return said(REGISTRATION, car, Registration.model_validate(told | more))


def wish(target: float, hours: float = 0, car: str = CAR) -> Said:
    return said(PREFERENCE, car, Preference(car=car, target_soc_pct=target, updated_at=EVENING + hours * HOUR))


def settled(name: str, hours: float, revision: int = 1, saving: float = 1, car: str = CAR) -> Said:
    ended = EVENING + hours * HOUR
    return said(
        SESSION,
        car,
        SessionSettled(
            id=f"{name}-{revision}", car=car, session_id=name, revision=revision, plugged_at=ended - HOUR,
            ended_at=ended, settled_at=ended, energy_kwh=10, currency="GBP", saving=saving, promise=Promise.MET,
            reason="made up",
        ),
    )  # fmt: skip


def message(name: str, hours: float, car: str = CAR, phase: str = "intent") -> Said:
    return said(
        NOTIFICATION,
        car,
        NotificationEvent(
            id=name, car=car, driver="anna", session_id=None, kind=NotificationKind.DONE,
            phase=NotificationPhase(phase), title="Done", body=name, at=EVENING + hours * HOUR,
        ),
    )  # fmt: skip


def device(account: str, driver: str = "anna", name: str = "d1") -> Said:
    key = f"{account}.{name}"
    return said(DEVICE, key, PushDevice(device=key, driver=driver, kind="fcm", target_sealed="x", since=EVENING))


def gone(topic: Topic, key: str = CAR) -> Said:
    return Said(topic.name, key, None, EVENING + 8 * HOUR)


def reading(records: Iterable[Said]) -> ReadModel:
    read = ReadModel(Settings(env="demo", clock="log"))
    read.began()
    read.took(list(records))
    read.reached()
    return read


def shown(records: Iterable[Said], driver: str = "anna") -> Any:
    """All that a driver sees of what the log says."""
    read = reading(records)
    cars = read.book.cars_of(driver)
    return (
        [read.car(driver, car) for car in cars],
        [read.history(driver, car) for car in cars],
        read.messages(driver),
        sorted(one.device for one in read.book.devices_of(driver)),
        read.book.forecasts,
    )


#: One car linked, used, forgotten and linked again, beside another that stays.
LIFE = (
    enrolled(hours=0), wish(70, 0), settled("s1", 5), message("m1", 5), device("a1"),
    gone(PREFERENCE), gone(DEVICE, "a1.d1"), gone(REGISTRATION),
    enrolled(hours=10), wish(90, 10), settled("s2", 15), settled("s2", 15, 2, saving=3), message("m2", 15),
    enrolled("b2.v2"), wish(60, car="b2.v2"), message("m3", 7, "b2.v2"), device("b2"), settled("s3", 3, car="b2.v2"),
)  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_any_order_of_topics_ends_in_the_same(data: st.DataObject) -> None:
    lanes = defaultdict(list)
    for record in LIFE:
        lanes[record.source, record.key].append(record)
    mixed = []
    while lanes:
        lane = data.draw(st.sampled_from(sorted(lanes)))
        mixed.append(lanes[lane].pop(0))
        if not lanes[lane]:
            del lanes[lane]
    assert shown(mixed) == shown(LIFE)
    assert shown([*mixed, *mixed]) == shown(LIFE), "the same log again changes nothing"


def test_a_car_that_is_linked_anew_has_its_new_wishes_and_no_past() -> None:
    read = reading(sorted(LIFE, key=lambda one: one.source, reverse=True))
    preference, history = read.preference("anna", CAR), read.history("anna", CAR)
    assert preference is not None
    assert preference.target_soc_pct == 90
    assert history is not None
    assert [one.session_id for one in history.sessions] == ["s2"]
    assert [one.id for one in read.messages("anna")] == ["m2", "m3"]


@pytest.mark.parametrize("late", [settled("s1", 5), message("m1", 5), wish(70), gone(STATUS), gone(PREFERENCE)])
def test_an_erased_car_stays_erased(late: Said) -> None:
    read = reading([enrolled(), late, gone(REGISTRATION), late])
    assert read.cars("anna") == []
    assert read.messages("anna") == []
    assert read.book.of("anna", CAR) is None
    assert read.book.holders("simulator", "v1") == set()


def test_all_tombstones_leave_nothing() -> None:
    book = Book()
    tombs = [gone(topic) for topic in SOURCES if topic is not DEVICE]
    book.hear([enrolled(), wish(70), settled("s1", 5), device("a1"), *tombs, gone(DEVICE, "a1.d1")])
    assert (book.cars, book.devices_of("anna"), book.cars_of("anna"), book.unreadable) == ({}, [], [], 0)


def test_withdrawn_consent_is_no_car_and_given_again_is_one() -> None:
    book = Book()
    book.hear([enrolled(), wish(70), enrolled(consent="withdrawn")])
    assert book.cars_of("anna") == []
    book.hear([enrolled()])
    assert book.cars_of("anna") == [CAR]


def test_a_car_that_changes_hands_is_the_new_drivers_alone() -> None:
    book = Book()
    book.hear([enrolled()])
    news = book.hear([enrolled(driver="ben")])
    assert (book.of("anna", CAR), book.cars_of("ben")) == (None, [CAR])
    assert dict(news.cars) == {"anna": {CAR}, "ben": {CAR}}, "both are told"


def test_messages_and_sessions_are_bounded_and_the_newest_stay() -> None:
    book = Book()
    order = [(7 * n) % 500 for n in range(500)]
    book.hear([enrolled(), *(message(f"m{n}", n / 10) for n in order), *(settled(f"s{n}", n) for n in order)])
    assert [one.id for one in book.messages_of("anna")] == [f"m{n}" for n in range(499, 499 - MESSAGES_KEPT, -1)]
    assert sorted(one.ended_at for one in book.cars[CAR].history()) == [
        EVENING + n * HOUR for n in range(500 - SESSIONS_KEPT, 500)
    ]


def test_a_message_is_news_once_however_it_fares() -> None:
    book = Book()
    assert len(book.hear([enrolled(), message("m1", 1), message("m1", 1, phase="sent")]).messages) == 1
    assert book.hear([message("m1", 1, phase="failed")]).messages == ()


def test_an_older_word_of_the_log_does_not_undo_what_we_wrote_since() -> None:
    read = reading([enrolled()])
    read.heard_ourselves([wish(70, 1)])
    read.heard_ourselves([wish(90, 2)])
    read.took([wish(70, 1)])
    known = read.preference("anna", CAR)
    assert known is not None
    assert known.target_soc_pct == 90


def test_a_correction_holds_whichever_comes_last() -> None:
    for pair in ((1, 2), (2, 1)):
        book = Book()
        book.hear([enrolled(), *(settled("s1", 5, revision, saving=revision) for revision in pair)])
        assert [one.saved for one in book.cars[CAR].history()] == [2]


def test_what_makes_no_sense_is_counted_and_changes_nothing() -> None:
    book = Book()
    book.hear([enrolled(), wish(70)])
    before = book.cars[CAR].preference
    book.hear([Said(topic.name, CAR, b"{") for topic in (REGISTRATION, PREFERENCE, SESSION, NOTIFICATION, PRICE)])
    assert book.unreadable == 5
    assert (book.cars_of("anna"), book.cars[CAR].preference) == ([CAR], before)


def test_devices_are_of_their_driver_and_once_per_account() -> None:
    book = Book()
    book.hear([device("a1"), device("b2"), device("c3", "ben"), device("a1")])
    assert sorted(one.device for one in book.devices_of("anna")) == ["a1.d1", "b2.d1"]
    book.hear([device("b2", "ben"), gone(DEVICE, "a1.d1"), gone(DEVICE, "a1.d1")])
    assert (book.devices_of("anna"), len(book.devices_of("ben"))) == ([], 2)


@given(st.permutations([0, 1, 2]))
def test_forecasts_meet_in_one_curve(order: list[int]) -> None:
    def vintage(n: int) -> Said:
        begin = EVENING + n * HOUR
        slots = (Slot(start=begin, end=begin + HOUR, value=n),)
        issued = EVENING - timedelta(days=1)
        made = Forecast(
            kind=ForecastKind.PRICE, key="home", unit="GBP/kWh", issued_at=issued, source="made up",
            known_until=slots[-1].end, slots=slots,
        )  # fmt: skip
        return said(PRICE, "home", made)

    book = Book()
    book.hear([vintage(n) for n in order])
    assert [slot.value for slot in book.forecasts["price", "home"].slots] == [0, 1, 2]


def test_read_anew_the_old_book_answers_until_the_new_is_whole() -> None:
    read = reading([enrolled()])
    read.began()
    read.took([gone(REGISTRATION)])
    assert len(read.cars("anna")) == 1
    read.reached()
    assert read.cars("anna") == []


async def test_who_looks_is_told_of_a_car_that_went_while_the_log_was_away() -> None:
    read = reading([enrolled()])
    with read.watching("anna") as watcher:
        read.began()
        read.reached()
        assert await watcher.news(30) == ({CAR}, [])
