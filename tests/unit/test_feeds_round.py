"""Rounds of a feed: what is published, what is not, and what stays known, whatever a source does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.feeds.round import HISTORY, State, play
from agents.feeds.source import Curve, Denied, Down, FeedError, NotPublished, Refused, Slow
from streams.contracts.forecast import ForecastKind
from streams.domain.feed_rules import Coverage
from tests.rounds import AGILE, HALF, HOUR, MINUTE, NOON, TODAY, Told, prices, told

DAY: list[float | None] = [0.1 + n / 1000 for n in range(48)]


async def test_a_first_word_is_published_whole() -> None:
    (one,) = await told(AGILE, prices(DAY))
    assert one.new is not None
    assert one.word == "published"
    assert (one.new.kind, one.new.key, one.new.unit, one.new.source) == (
        ForecastKind.PRICE, "agile", "GBP/kWh", "Octopus Energy",
    )  # fmt: skip
    assert [slot.value for slot in one.new.slots] == DAY
    assert (one.new.issued_at, one.new.known_until) == (NOON, TODAY + 24 * HOUR)
    assert (one.new.flags, one.new.good_until, one.coverage) == ((), None, Coverage(48, 48))
    assert one.state.known == one.new


async def test_the_past_is_asked_for_once_and_never_insisted_on() -> None:
    asker = Told(Refused("too long"), prices(DAY), prices(DAY))
    first = await play(AGILE, asker, State(), NOON, 0.5)
    second = await play(AGILE, asker, first.state, NOON, 0.5)
    await play(AGILE, asker, second.state, NOON, 0.5)
    assert [one.start for one in asker.asked] == [TODAY - HISTORY, TODAY, TODAY]
    assert {one.end for one in asker.asked} == {TODAY + 48 * HOUR}


async def test_not_published_then_a_part_then_all() -> None:
    four = datetime(2026, 5, 4, 15, tzinfo=UTC)  # 16:00 in London
    whole = [*DAY, *DAY]
    known = (await told(AGILE, prices(DAY)))[0].state
    nothing, part, more, rest = await told(
        AGILE, NotPublished("no"), prices(whole[:60]), prices([*whole[:70], None, *whole[71:]]), prices(whole),
        state=known, now=four,
    )  # fmt: skip
    assert (nothing.word, nothing.new, nothing.state.known) == ("not_published", None, known.known)
    assert nothing.state.ask_at == four + 5 * MINUTE
    assert part.new is not None
    assert part.new.flags == ("partial",)
    assert (part.coverage, part.new.known_until) == (Coverage(60, 96), TODAY + 30 * HOUR)
    assert more.new is not None
    assert more.new.flags == ("partial",)
    assert (more.coverage, more.new.known_until) == (Coverage(95, 96), TODAY + 35 * HOUR)
    assert rest.new is not None
    assert (rest.new.flags, rest.coverage, rest.new.known_until) == ((), Coverage(96, 96), TODAY + 48 * HOUR)
    asked = [one.state.ask_at for one in (nothing, part, more)]
    assert asked == [four + n * 5 * MINUTE for n in (1, 2, 3)]
    assert rest.state.ask_at is not None
    assert rest.state.ask_at > four + 5 * HOUR


async def test_the_same_again_is_no_vintage_and_a_correction_is_one() -> None:
    corrected = [*DAY[:30], 0.5, *DAY[31:]]
    first, same, part, new = await told(AGILE, prices(DAY), prices(DAY), prices(DAY[:20]), prices(corrected))
    assert (same.word, same.new, same.state.known) == ("unchanged", None, first.state.known)
    assert (part.word, part.state.known) == ("unchanged", first.state.known), "what was said before stands"
    assert first.new is not None
    assert new.new is not None
    assert new.new.issued_at > first.new.issued_at
    assert new.state.known is not None
    assert [slot.value for slot in new.state.known.slots] == corrected


async def test_the_sources_own_date_counts_and_an_older_copy_does_not() -> None:
    dated = [prices([value] * 48, issued_at=NOON - age * MINUTE) for value, age in ((0.1, 30), (0.2, 20), (0.1, 30))]
    first, second, copy = await told(AGILE, *dated)
    assert first.new is not None
    assert second.new is not None
    assert [first.new.issued_at, second.new.issued_at] == [NOON - 30 * MINUTE, NOON - 20 * MINUTE]
    assert copy.word == "refused"
    assert "older copy" in str(copy.error)
    assert copy.state.known == second.state.known


async def test_a_date_from_the_future_does_not_shut_out_later_words() -> None:
    ahead, later = await told(AGILE, prices(DAY, issued_at=NOON + 9999 * HOUR), prices([*DAY[:-1], 0.9]))
    assert ahead.new is not None
    assert ahead.new.issued_at == NOON
    assert later.word == "published"


@pytest.mark.parametrize("error", [Down("x"), Slow("x", 3 * HOUR), Denied("x"), Refused("x"), NotPublished("x")])
async def test_in_trouble_the_last_good_word_stays(error: FeedError) -> None:
    first, *rest = await told(AGILE, prices(DAY), error, error, error)
    for tries, one in enumerate(rest, 1):
        assert (one.new, one.state.known, one.state.failures) == (None, first.state.known, tries)
        assert one.error is error
        assert one.state.heard_at == NOON
    (again,) = await told(AGILE, prices([*DAY[:-1], 0.9]), state=rest[-1].state)
    assert (again.state.failures, again.word) == (0, "published")


@pytest.mark.parametrize(
    ("curve", "why"),
    [
        (prices([*DAY[:9], 11.0]), "not within -2 to 10"),
        (prices([85.0] * 48), "not within"),
        (prices([8.0] * 48), "another unit"),
        (prices([0.2], unit="EUR/kWh", issued_at=NOON - HOUR), "older copy"),
    ],
)
async def test_what_breaks_a_rule_is_refused_and_forgotten(curve: Curve, why: str) -> None:
    past = prices([*DAY] * 3, TODAY - 48 * HOUR)
    first, refused, after = await told(AGILE, past, curve, past)
    assert (refused.word, refused.new, refused.state.known) == ("refused", None, first.state.known)
    assert why in str(refused.error)
    assert after.word == "unchanged"


async def test_a_spike_is_published_and_flagged() -> None:
    past = prices([*DAY] * 3, TODAY - 48 * HOUR)
    _, spike = await told(AGILE, past, prices([*DAY[:47], 0.9]))
    assert spike.new is not None
    assert spike.new.flags == ("spike",)


async def test_preliminary_becomes_final_with_the_same_values() -> None:
    first, final = await told(AGILE, prices(DAY, final=False), prices(DAY))
    assert first.new is not None
    assert first.new.flags == ("preliminary",)
    assert final.new is not None
    assert final.new.flags == ()


@pytest.mark.parametrize(
    ("noon", "slots"),
    [
        (datetime(2026, 3, 28, 16, tzinfo=UTC), 48 + 46),
        (datetime(2026, 10, 24, 15, tzinfo=UTC), 48 + 50),
    ],
)
async def test_days_of_the_clock_change_are_whole_with_their_own_number(noon: datetime, slots: int) -> None:
    start, _ = AGILE.calendar.stretch(noon)
    whole, short = [(await told(AGILE, prices([0.2] * count, start), now=noon))[0] for count in (slots, slots - 1)]
    assert whole.coverage == Coverage(slots, slots)
    assert whole.state.ask_at is not None
    assert whole.state.ask_at > noon + 5 * HOUR
    assert short.coverage == Coverage(slots - 1, slots)
    assert short.new is not None
    assert short.new.flags == ("partial",)
    assert short.state.ask_at == noon + 5 * MINUTE


_words = st.one_of(
    st.sampled_from([Down("x"), Slow("x"), Denied("x"), Refused("x"), NotPublished("x")]),
    st.builds(
        lambda values, first, age: prices(
            values, TODAY + first * HALF, issued_at=None if age is None else NOON + age * MINUTE
        ),
        st.lists(st.one_of(st.none(), st.floats(-0.5, 12)), min_size=1, max_size=9).filter(
            lambda values: any(value is not None for value in values)
        ),
        st.integers(0, 90),
        st.one_of(st.none(), st.integers(-600, 600)),
    ),
)


@given(st.lists(_words, max_size=8))
async def test_whatever_comes_vintages_are_ever_newer_and_nothing_good_is_lost(words: list[Curve | FeedError]) -> None:
    state, now, last = State(), NOON, None
    asker = Told(*words)
    for _ in words:
        before = state.known
        outcome = await play(AGILE, asker, state, now, 0.5)
        state = outcome.state
        if outcome.new is None:
            assert state.known == before
        else:
            assert last is None or outcome.new.issued_at > last
            assert outcome.new.issued_at <= now + timedelta(seconds=1)
            last = outcome.new.issued_at
            assert all(-2 <= slot.value <= 10 for slot in outcome.new.slots)
            said = {slot.start for slot in before.slots} if before else set()
            assert state.known is not None
            assert said <= {slot.start for slot in state.known.slots}
        assert state.ask_at is not None
        now = max(now, state.ask_at)
