"""Rounds of a feed: carbon that ages, average and marginal, retail prices, and contracts with their own table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from agents.feeds.config import parse
from agents.feeds.round import State, play
from streams.domain.feed_rules import Coverage
from streams.domain.retail import Formula
from tests.rounds import AGILE, HOUR, MINUTE, NESO, NOON, carbon, prices, row, told


async def test_carbon_is_good_for_a_while_and_renewed() -> None:
    grams: list[float | None] = [200.0] * 96
    first, same = await told(NESO, carbon(grams), carbon(grams))
    assert first.new is not None
    assert (first.new.basis, first.new.good_until) == ("average", NOON + 12 * HOUR)
    assert same.word == "unchanged"
    (renewed,) = await told(NESO, carbon(grams), state=same.state, now=NOON + 6 * HOUR)
    assert renewed.new is not None
    assert renewed.new.good_until == NOON + 18 * HOUR
    dated = carbon(grams, issued_at=NOON)
    (not_renewed,) = await told(NESO, dated, state=same.state, now=NOON + 11 * HOUR)
    assert not_renewed.word == "unchanged", "a source that dates its words says itself that this one is old"


async def test_average_and_marginal_never_mix() -> None:
    first, other = await told(NESO, carbon([200.0] * 96), carbon([700.0] * 10, NOON + HOUR, "marginal"))
    assert first.state.known is not None
    assert other.state.known is not None
    assert (other.state.known.basis, {slot.value for slot in other.state.known.slots}) == ("marginal", {700.0})


async def test_a_hole_in_carbon_is_flagged_and_a_short_horizon_is_not() -> None:
    short, holed = await told(NESO, carbon([200.0] * 30), carbon([201.0] * 5 + [None] + [201.0] * 40, NOON + HOUR))
    assert short.new is not None
    assert short.new.flags == ()
    assert holed.new is not None
    assert holed.new.flags == (), "the older word fills the hole"
    (alone,) = await told(NESO, carbon([201.0] * 5 + [None] + [201.0] * 40))
    assert alone.new is not None
    assert alone.new.flags == ("partial",)


RETAIL = replace(AGILE, formula=Formula("GBP", ZoneInfo("Europe/London"), (0.05,), 0.2, source_vat=0.05))


async def test_a_formula_makes_the_price_and_refuses_another_currency() -> None:
    (one,) = await told(RETAIL, prices([0.21] * 48))
    assert one.new is not None
    assert {slot.value for slot in one.new.slots} == {0.3}
    (other,) = await told(RETAIL, prices([0.21] * 48, unit="EUR/kWh"))
    assert other.word == "refused"
    assert "in EUR/kWh, the tariff is in GBP/kWh" in str(other.error)


async def test_a_table_needs_no_source() -> None:
    (feed,) = parse(
        '[[price]]\ntariff="x"\nenergy=[{from="00:30",to="04:30",per_kwh=0.1},{per_kwh=0.2}]\n'
        '[price.retail]\ncurrency="GBP"\nzone="Europe/London"\nvat=0.05'
    )
    spring = datetime(2026, 3, 28, 9, tzinfo=UTC)
    one = await play(feed, None, State(), spring, 0.5)
    assert one.new is not None
    assert one.new.known_until == datetime(2026, 3, 29, 23, tzinfo=UTC)
    cheap = sum((slot.end - slot.start for slot in one.new.slots if slot.value == pytest.approx(0.105)), timedelta())
    assert cheap == (4 + 3) * HOUR
    assert max(slot.end - slot.start for slot in one.new.slots) == HOUR
    assert one.coverage == Coverage(94, 94)
    same = await play(feed, None, one.state, spring + HOUR, 0.5)
    assert same.word == "unchanged"
    tomorrow = await play(feed, None, one.state, spring + 24 * HOUR, 0.5)
    assert tomorrow.word == "published"


async def test_a_vintage_never_holds_more_than_the_topic_takes() -> None:
    (one,) = await told(NESO, replace(carbon([]), slots=row([200.0] * 2500, NOON - 1200 * 5 * MINUTE, 5 * MINUTE)))
    assert one.new is not None
    assert len(one.new.slots) == 2000
    assert one.new.slots[-1].end == NOON + 1300 * 5 * MINUTE
