"""Sentences are short, local, free of ids and say what is only known roughly or no longer true."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from streams.contracts.account import Link
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.notification import NotificationKind
from streams.contracts.schedule import PlanReason
from streams.contracts.telemetry import Charge, Plug
from streams.domain.case import PlanRules
from streams.domain.market import Market
from streams.domain.planning import PlanningState, decide
from streams.domain.wording import clock, hands_off_sentence, notice, plan_sentence, status_sentence
from tests.night import CAR, PLUGGED, TWO_RATES, after, forecast, preference, registration, state

ZONE = "Europe/London"


def sentence(now: float = 0, seen: float | None = None, prices: list[float] | None = None, **wishes: Any) -> str:
    known = PlanningState(car=CAR, registration=registration(), preference=preference(**wishes), state=state(now))
    market = Market(forecast(TWO_RATES if prices is None else prices), None) if prices != [] else None
    schedule = decide(known, market, after(now), PlanRules(edge_spread=timedelta(0)))
    assert schedule is not None
    return plan_sentence(schedule, ZONE, after(now if seen is None else seen))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(sentence(), "Charging starts about 00:30, done about 03:15.", id="later"),
        pytest.param(sentence(seen=400), "Charging now, done about 03:15.", id="running"),
        pytest.param(sentence(seen=700), "The planned charging is over.", id="over"),
        pytest.param(
            sentence(mode="boost"), "Charging now because you asked for it, done about 20:45.", id="boost"
        ),
        pytest.param(sentence(mode="paused"), "Smart charging is paused because you asked for it.", id="paused"),
        pytest.param(sentence(target_soc_pct=50), "The car has reached 50 %.", id="at target"),
        pytest.param(
            sentence(prices=[]), "Prices are not known at present, so the car charges now, done about 20:45.",
            id="no prices",
        ),
        pytest.param(
            sentence(ready_by="19:00"),
            "Charging now. 80 % is out of reach by 19:00: about 61 % then, 80 % about 20:45.",
            id="out of reach",
        ),
        pytest.param(
            sentence(prices=TWO_RATES[:20]),
            "Charging starts about 00:30, done about 03:15. Prices are known until 04:00, so this may change.",
            id="provisional",
        ),
        pytest.param(
            sentence(prices=[0.3, 0.1, 0.1, 0.3, 0.3, *[0.1] * 2, *[0.3] * 19], target_soc_pct=60),
            "Charging starts about 18:30, done about 19:25.", id="one part is enough",
        ),
        pytest.param(
            sentence(prices=[0.3, 0.1, 0.3, 0.3, 0.3, 0.1, *[0.3] * 20], target_soc_pct=60),
            "Charging in 2 parts from about 18:30, done about 20:55.", id="two parts",
        ),
    ],
)  # fmt: skip
def test_a_plan_in_words(said: str, expected: str) -> None:
    assert said == expected


@pytest.mark.parametrize(
    ("at", "about", "expected"),
    [
        pytest.param(after(392), False, "00:32", id="exact"),
        pytest.param(after(392.4), True, "00:30", id="rounded down"),
        pytest.param(after(392.5), True, "00:35", id="rounded up"),
        pytest.param(after(358), True, "00:00", id="over midnight"),
        pytest.param(after(60 * 25), False, "Mon 19:00", id="another day"),
    ],
)
def test_clock_speaks_local_time(at: datetime, about: bool, expected: str) -> None:
    assert clock(at, ZONE, PLUGGED, about=about) == expected


def seen(reason: StatusReason, **changes: Any) -> DriverStatus:
    facts: dict[str, Any] = {
        "car": CAR, "driver": "driver-1", "reason": reason, "sentence": "", "plug": Plug.PLUGGED,
        "charge": Charge.IDLE, "soc_pct": 50, "soc_time": after(0), "target_soc_pct": 80, "session_id": "s1",
        "home_zone": ZONE, "link": Link.LINKED, "version": "v", "at": after(1),
    }  # fmt: skip
    return DriverStatus(**(facts | changes))


@pytest.mark.parametrize("reason", list(StatusReason))
def test_every_reason_has_words_without_ids(reason: StatusReason) -> None:
    said = status_sentence(seen(reason), "The plan.")
    assert said.strip() == said
    assert said
    assert not any(word in said for word in ("{", CAR, "s1", "driver-1", "None"))


@pytest.mark.parametrize("reason", [PlanReason.AWAY, PlanReason.UNPLUGGED])
def test_hands_off_has_words(reason: PlanReason) -> None:
    assert hands_off_sentence(reason).endswith(".")


def test_an_old_reading_says_how_old_it_is() -> None:
    fresh = status_sentence(seen(StatusReason.PLANNING, at=after(59)), "")
    stale = status_sentence(seen(StatusReason.PLANNING, at=after(61)), "")
    assert "18:00" not in fresh
    assert stale.endswith("Last heard from the car at 18:00.")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"soc_pct": 81}, "Charged to 81 %.", id="full"),
        pytest.param({"charge": Charge.COMPLETE}, "The car has finished charging.", id="stopped short by itself"),
        pytest.param({}, "The plan.", id="the plan is done, the car has not said so"),
        pytest.param({"soc_pct": None}, "The plan.", id="charge unknown"),
    ],
)
def test_full_is_only_said_of_a_full_car(changes: dict[str, Any], expected: str) -> None:
    assert status_sentence(seen(StatusReason.AT_TARGET, **changes), "The plan.") == expected


@pytest.mark.parametrize(
    ("saved", "carbon_g", "expected"),
    [
        pytest.param(1.234, 2340, "Saved about 1.23 GBP and 2.3 kg CO2 against charging at once.", id="both"),
        pytest.param(1.2, None, "Saved about 1.20 GBP against charging at once.", id="money"),
        pytest.param(0, 2000, "Saved about 2.0 kg CO2 against charging at once.", id="carbon"),
        pytest.param(0.001, 10, "It cost as much as charging at once.", id="nothing worth saying"),
        pytest.param(-0.2, 900, "It cost about 0.20 GBP more than charging at once.", id="a loss is said"),
        pytest.param(None, None, "Its cost is not known.", id="unknown is not zero"),
    ],
)
def test_savings_are_honest(saved: float | None, carbon_g: float | None, expected: str) -> None:
    done = seen(StatusReason.UNPLUGGED, saved=saved, saved_carbon_g=carbon_g, currency="GBP")
    assert notice(NotificationKind.DONE, done) == ("Charging session finished", expected)
