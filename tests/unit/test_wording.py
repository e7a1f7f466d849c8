"""Sentences are short, local, free of ids and say what is only known roughly or no longer true."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from streams.contracts.account import Link
from streams.contracts.base import Language
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.notification import NotificationKind
from streams.contracts.schedule import PlanReason, Schedule
from streams.contracts.telemetry import Charge, Plug
from streams.domain.case import PlanRules
from streams.domain.market import Market
from streams.domain.planning import PlanningState, decide
from streams.domain.wording import Audience, clock, hands_off_sentence, notice, plan_sentence, status_sentence
from tests.night import CAR, PLUGGED, TWO_RATES, after, forecast, preference, registration, state

ZONE = "Europe/London"
IN_PARTS = [0.3, 0.1, 0.3, 0.3, 0.3, 0.1, *[0.3] * 20]


def plan(prices: list[float] | None = None, **wishes: Any) -> Schedule:
    known = PlanningState(car=CAR, registration=registration(), preference=preference(**wishes), state=state())
    market = Market(forecast(TWO_RATES if prices is None else prices), None) if prices != [] else None
    schedule = decide(known, market, PLUGGED, PlanRules(edge_spread=timedelta(0)))
    assert schedule is not None
    return schedule


@pytest.mark.parametrize(
    ("minutes", "schedule", "english", "german"),
    [
        pytest.param(
            0, plan(), "Charging starts about 00:30, in the cheapest hours; done about 03:15.",
            "Lädt ab etwa 00:30 in den günstigsten Stunden; fertig gegen 03:15.", id="later",
        ),
        pytest.param(
            400, plan(), "Charging now, done about 03:15.", "Lädt gerade, fertig gegen 03:15.", id="running"
        ),
        pytest.param(
            700, plan(), "The planned charging is over.", "Das geplante Laden ist vorbei.", id="over"
        ),
        pytest.param(
            0, plan(mode="boost"), "Charging now because you asked for it, done about 20:45.",
            "Lädt gerade, weil du es so wolltest; fertig gegen 20:45.", id="boost",
        ),
        pytest.param(
            300, plan(mode="boost"), "The planned charging is over.", "Das geplante Laden ist vorbei.",
            id="boost is over",
        ),
        pytest.param(
            0, plan(mode="paused"), "Smart charging is paused because you asked for it.",
            "Das smarte Laden ist pausiert, weil du es so wolltest.", id="paused",
        ),
        pytest.param(
            0, plan(target_soc_pct=50), "The car has reached 50 %.", "Das Auto hat 50 % erreicht.", id="at target"
        ),
        pytest.param(
            0, plan([]), "Prices are not known at present, so the car charges now, done about 20:45.",
            "Die Preise sind gerade nicht bekannt, darum lädt das Auto sofort; fertig gegen 20:45.", id="no prices",
        ),
        pytest.param(
            0, plan(ready_by="19:00"),
            "Charging now, but 80 % by 19:00 is out of reach: about 61 % then, about 11.5 kWh short. "
            "80 % about 20:45.",
            "Lädt gerade, aber 80 % bis 19:00 sind nicht zu schaffen: dann etwa 61 %, etwa 11,5 kWh zu wenig. "
            "80 % gegen 20:45.", id="out of reach",
        ),
        pytest.param(
            90, plan(ready_by="19:00"), "Charging on past 19:00: 80 % about 20:45.",
            "Lädt über 19:00 hinaus weiter: 80 % gegen 20:45.", id="late",
        ),
        pytest.param(
            0, plan(TWO_RATES[:20]),
            "Charging starts about 00:30, in the cheapest hours; done about 03:15. "
            "Prices are known until 04:00, so this may change.",
            "Lädt ab etwa 00:30 in den günstigsten Stunden; fertig gegen 03:15. "
            "Die Preise sind bis 04:00 bekannt, das kann sich also noch ändern.", id="provisional",
        ),
        pytest.param(
            0, plan(IN_PARTS, target_soc_pct=60),
            "Charging in 2 parts from about 18:30, in the cheapest hours; done about 20:55.",
            "Lädt in 2 Etappen ab etwa 18:30 in den günstigsten Stunden; fertig gegen 20:55.", id="two parts",
        ),
        pytest.param(
            40, plan(IN_PARTS, target_soc_pct=60),
            "Charging now, then again in the cheapest hours; done about 20:55.",
            "Lädt gerade und später in den günstigsten Stunden weiter; fertig gegen 20:55.", id="first of two parts",
        ),
    ],
)  # fmt: skip
def test_a_plan_in_words(minutes: float, schedule: Schedule, english: str, german: str) -> None:
    assert plan_sentence(schedule, Audience("en", ZONE, after(minutes))) == english
    assert plan_sentence(schedule, Audience("de", ZONE, after(minutes))) == german


@pytest.mark.parametrize(("price", "best"), [(0, "cheapest"), (50, "cheapest"), (300, "cleanest"), (5000, "cleanest")])
def test_a_plan_says_what_it_was_chosen_by(price: float, best: str) -> None:
    assert f"in the {best} hours" in plan(carbon_price_per_tonne=price).sentence


def test_a_plan_is_told_in_the_language_of_its_driver() -> None:
    assert plan(language="de").sentence.startswith("Lädt ab etwa 00:30")
    assert plan().sentence.startswith("Charging starts about 00:30")


def test_what_falls_short_by_little_is_not_rounded_to_the_target() -> None:
    short = {"expected_soc_pct": 79.9, "shortfall_kwh": 0.01}
    said = plan_sentence(plan(ready_by="19:00").model_copy(update=short), Audience("en", ZONE, PLUGGED))
    assert "about 79 % then, about 0.1 kWh short" in said


@pytest.mark.parametrize(
    ("at", "about", "english", "german"),
    [
        pytest.param(after(392), False, "00:32", "00:32", id="exact"),
        pytest.param(after(392.4), True, "00:30", "00:30", id="rounded down"),
        pytest.param(after(392.5), True, "00:35", "00:35", id="rounded up"),
        pytest.param(after(358), True, "00:00", "00:00", id="over midnight"),
        pytest.param(after(60 * 25), False, "Mon 19:00", "Mo 19:00", id="another day"),
        pytest.param(after(-60 * 24 * 5), False, "Tue 18:00", "Di 18:00", id="days ago"),
        pytest.param(after(-60 * 24 * 6), False, "8 May 18:00", "8. Mai 18:00", id="another week"),
    ],
)
def test_clock_speaks_local_time(at: datetime, about: bool, english: str, german: str) -> None:
    assert clock(at, ZONE, PLUGGED, about=about) == english
    assert clock(at, ZONE, PLUGGED, about=about, language="de") == german


def seen(reason: StatusReason, **changes: Any) -> DriverStatus:
    facts: dict[str, Any] = {
        "car": CAR, "driver": "driver-1", "reason": reason, "sentence": "", "plug": Plug.PLUGGED,
        "charge": Charge.IDLE, "soc_pct": 50, "soc_time": after(0), "target_soc_pct": 80, "session_id": "s1",
        "home_zone": ZONE, "link": Link.LINKED, "version": "v", "at": after(1),
    }  # fmt: skip
    return DriverStatus(**(facts | changes))


@pytest.mark.parametrize(
    ("at", "status", "expected"),
    [
        pytest.param(400, {}, "Asking the car to start charging, done about 03:15.", id="idle in its block"),
        pytest.param(
            400, {"charge": Charge.UNKNOWN}, "Asking the car to start charging, done about 03:15.", id="silent"
        ),
        pytest.param(400, {"charge": Charge.CHARGING}, "Charging now, done about 03:15.", id="charging"),
        pytest.param(
            400, {"charge": Charge.CHARGING, "language": "de"}, "Lädt gerade, fertig gegen 03:15.", id="auf Deutsch"
        ),
        pytest.param(
            400, {"controllable": False}, "Charge now: it is cheapest, done about 03:15.", id="not ours to start"
        ),
    ],
)
def test_that_a_car_charges_is_only_said_of_one_that_does(at: float, status: dict[str, Any], expected: str) -> None:
    told = seen(StatusReason.STARTING, at=after(at), soc_time=after(at), **status)
    assert status_sentence(told, plan()) == expected


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("reason", [PlanReason.AWAY, PlanReason.UNPLUGGED])
def test_hands_off_has_words(reason: PlanReason, language: Language) -> None:
    assert hands_off_sentence(reason, language).endswith(".")


def test_an_old_reading_says_how_old_it_is() -> None:
    fresh = status_sentence(seen(StatusReason.PLANNING, at=after(59)), None)
    stale = status_sentence(seen(StatusReason.PLANNING, at=after(61)), None)
    assert "18:00" not in fresh
    assert stale.endswith("Last heard from the car at 18:00.")


def test_how_old_a_reading_is_goes_before_what_may_change() -> None:
    told = seen(StatusReason.WAITING_FOR_CHEAP, at=after(100))
    assert status_sentence(told, plan(TWO_RATES[:20])) == (
        "Charging starts about 00:30, in the cheapest hours; done about 03:15. Last heard from the car at 18:00. "
        "Prices are known until 04:00, so this may change."
    )
    in_parts = plan(IN_PARTS, target_soc_pct=60).model_copy(update={"provisional": True, "known_until": after(600)})
    late = seen(StatusReason.STOPPING, at=after(25), soc_time=after(-60 * 24 * 2))
    assert status_sentence(late, in_parts) == (
        "Charging for the moment; planned in 2 parts from about 18:30, in the cheapest hours, done about 20:55. "
        "Last heard from the car at Fri 18:00."
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"soc_pct": 81}, "Charged to 81 %.", id="full"),
        pytest.param({"charge": Charge.COMPLETE}, "The car has finished charging.", id="stopped short by itself"),
        pytest.param({}, "The planned charging is over.", id="the plan is done, the car has not said so"),
        pytest.param({"soc_pct": None}, "The planned charging is over.", id="charge unknown"),
    ],
)
def test_full_is_only_said_of_a_full_car(changes: dict[str, Any], expected: str) -> None:
    told = seen(StatusReason.AT_TARGET, at=after(700), soc_time=after(700), **changes)
    assert status_sentence(told, plan()) == expected


@pytest.mark.parametrize(
    ("saved", "carbon_g", "english", "german"),
    [
        pytest.param(
            1.234, 2340, "Saved about £1.23 and about 2.3 kg CO₂ against charging at once.",
            "Etwa 1,23 £ und etwa 2,3 kg CO₂ gespart gegenüber sofortigem Laden.", id="both",
        ),
        pytest.param(
            1.2, None, "Saved about £1.20 against charging at once.",
            "Etwa 1,20 £ gespart gegenüber sofortigem Laden.", id="money",
        ),
        pytest.param(
            1.2, -900, "Saved about £1.20 against charging at once, with about 0.9 kg more CO₂.",
            "Etwa 1,20 £ gespart gegenüber sofortigem Laden, bei etwa 0,9 kg mehr CO₂.", id="money for carbon",
        ),
        pytest.param(
            0, 2000, "Saved about 2.0 kg CO₂ against charging at once, for the same money.",
            "Etwa 2,0 kg CO₂ gespart gegenüber sofortigem Laden, für dasselbe Geld.", id="carbon",
        ),
        pytest.param(
            0.001, 10, "It cost as much as charging at once.", "So teuer wie sofortiges Laden.",
            id="nothing worth saying",
        ),
        pytest.param(
            -0.2, 900, "Saved about 0.9 kg CO₂ against charging at once, for about £0.20 more.",
            "Etwa 0,9 kg CO₂ gespart gegenüber sofortigem Laden, für etwa 0,20 £ mehr.", id="carbon for money",
        ),
        pytest.param(
            -0.2, None, "It cost about £0.20 more than charging at once.",
            "Etwa 0,20 £ teurer als sofortiges Laden.", id="a loss is said",
        ),
    ],
)  # fmt: skip
def test_savings_are_honest(saved: float, carbon_g: float | None, english: str, german: str) -> None:
    facts = {"saved": saved, "saved_carbon_g": carbon_g, "cost": 3.456, "charged_kwh": 21.06, "currency": "GBP"}
    done = seen(StatusReason.UNPLUGGED, **facts)
    assert notice(NotificationKind.DONE, done) == (
        "Charging finished", f"Charged about 21.1 kWh for about £3.46. {english}"
    )  # fmt: skip
    told = notice(NotificationKind.DONE, done.model_copy(update={"language": "de"}))
    assert told == ("Laden beendet", f"Etwa 21,1 kWh für etwa 3,46 £ geladen. {german}")


@pytest.mark.parametrize(
    ("cost", "saved", "expected"),
    [
        pytest.param(None, None, "Charged about 4.0 kWh; the cost is not known.", id="unknown is not zero"),
        pytest.param(
            -0.4, 0.5, "Charged about 4.0 kWh and was paid about £0.40 for it. "
            "Saved about £0.50 against charging at once.", id="negative prices",
        ),
    ],
)  # fmt: skip
def test_what_a_session_cost(cost: float | None, saved: float | None, expected: str) -> None:
    done = seen(StatusReason.UNPLUGGED, cost=cost, saved=saved, charged_kwh=4, currency="GBP")
    assert notice(NotificationKind.DONE, done)[1] == expected


@pytest.mark.parametrize(
    ("name", "title"),
    [
        pytest.param("", "Plugged in", id="nameless"),
        pytest.param("Compact 58", "Compact 58: Plugged in", id="by its model"),
        pytest.param("Model Y Long Range", "Model Y Long…: Plugged in", id="cut"),
    ],
)
def test_a_push_names_the_car(name: str, title: str) -> None:
    assert notice(NotificationKind.PLUGGED_IN, seen(StatusReason.PLANNING, name=name))[0] == title


@pytest.mark.parametrize(
    ("currency", "english", "german"),
    [("EUR", "€1234.50", "1234,50 €"), ("SEK", "1234.50 SEK", "1234,50 SEK")],
)
def test_money_as_people_write_it(currency: str, english: str, german: str) -> None:
    assert Audience("en", ZONE, PLUGGED).money(-1234.5, currency) == english
    assert Audience("de", ZONE, PLUGGED).money(-1234.5, currency) == german
