"""What the driver's pages are made of: words in every language, and a chart that is right about time and about gaps."""

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from string import Formatter
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.driver_api import page
from agents.driver_api.page.card import own_day
from agents.driver_api.page.chart import WIDE, Chart, chart
from agents.driver_api.page.forms import Terms
from agents.driver_api.page.speech import Speech
from agents.driver_api.page.words import WORDS
from agents.driver_api.read_model import ReadModel
from agents.driver_api.views import BlockView, OutlookView, SlotView
from agents.linking.invitation import Refusal
from agents.linking.refused import Code
from agents.settings import Settings
from streams.contracts.driver_status import StatusReason
from streams.contracts.preference import Preference
from streams.contracts.session import Promise
from streams.contracts.telemetry import Plug

HOUR = timedelta(hours=1)
AUTUMN = datetime.fromisoformat("2026-10-24T20:00:00+00:00")  # the clock goes back at 01:00 UTC
SPRING = datetime.fromisoformat("2026-03-28T20:00:00+00:00")  # the clock goes forward at 01:00 UTC
SUMMER = datetime.fromisoformat("2026-07-01T20:00:00+00:00")


def outlook(
    start: datetime, prices: Sequence[float | None], carbons: Sequence[float | None] = (), blocks: Sequence[int] = ()
) -> OutlookView:
    """One slot an hour."""
    filled = [*carbons, *[100.0] * (len(prices) - len(carbons))]
    slots = tuple(
        SlotView(start=start + n * HOUR, end=start + (n + 1) * HOUR, price_per_kwh=price, carbon_g_per_kwh=carbon)
        for n, (price, carbon) in enumerate(zip(prices, filled, strict=True))
    )
    planned = tuple(BlockView(start=start + n * HOUR, end=start + (n + 1) * HOUR, energy_kwh=7) for n in blocks)
    return OutlookView(
        car="a.v",
        home_zone="Europe/London",
        currency="GBP",
        now=start,
        price_known_until=None,
        slots=slots,
        blocks=planned,
    )


def drawn(view: OutlookView) -> Chart:
    made = chart(view, None, Speech("en", "Europe/London", view.now))
    assert made is not None
    return made


# --- words


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", WORDS)
def test_languages_have_the_same_names_with_the_same_placeholders(language: str) -> None:
    english, other = WORDS["en"], WORDS[language]  # type: ignore[index]
    assert english.keys() == other.keys()
    assert {name: placeholders(text) for name, text in english.items()} == {
        name: placeholders(text) for name, text in other.items()
    }


def test_german_is_german() -> None:
    same = {name for name, text in WORDS["de"].items() if text == WORDS["en"][name]}
    assert same == {"app", "block", "block.kwh", "chart.plan", "chart.plan.no", "offline", "savings.carbon"}


def test_whatever_a_car_may_be_has_a_word() -> None:
    families: dict[str, set[str]] = {
        "reason": {*StatusReason},
        "plug": {*Plug},
        "history.promise": {*Promise},
        "refused": {*Refusal},
        "link.failed": set(Code.__args__),  # type: ignore[attr-defined]
    }
    wanted = {f"{family}.{word}" for family, words in families.items() for word in words}
    assert wanted <= WORDS["en"].keys()


def test_pages_use_all_words_and_no_others() -> None:
    here = Path(page.__file__).parent
    sources = [*here.glob("templates/*.html"), *here.glob("*.py")]
    said = {name for path in sources for name in re.findall(r"[\"']([a-z_]+(?:\.[a-z_]+)*\.?)[\"']", path.read_text())}
    families = tuple(name for name in said if name.endswith("."))
    assert {name for name in WORDS["en"] if name not in said and not name.startswith(families)} == set()
    called = {name for path in sources for name in re.findall(r"\bt\(\"([a-z_.]+[a-z])\"", path.read_text())}
    assert called - WORDS["en"].keys() == set()


def test_news_are_as_old_as_the_log_is_silent() -> None:
    assert Speech("en", "Europe/London", SUMMER).as_of == "21:00"
    assert Speech("en", "Europe/London", SUMMER, timedelta(minutes=15)).as_of == "20:45"
    read = ReadModel(Settings(env="demo"))
    assert read.out_of_touch == timedelta()
    read._gone_since = monotonic() - 900
    assert timedelta(seconds=900) <= read.out_of_touch < timedelta(seconds=930)
    told = ReadModel(Settings(env="demo", clock="log"))
    told._gone_since = monotonic() - 900
    assert told.out_of_touch == timedelta()


# --- the chart


@pytest.mark.parametrize(
    ("start", "hours", "change"),
    [(AUTUMN, 7, "The clock goes back 1 h at 02:00 BST."), (SPRING, 5, "The clock goes forward 1 h at 01:00 GMT.")],
)
def test_a_night_is_as_wide_as_it_is_long(start: datetime, hours: int, change: str) -> None:
    made = drawn(outlook(start, [0.1] * 24))
    midnight, six = (next(tick for tick in made.ticks if tick.label == label) for label in ("00", "06"))
    assert (six.at - midnight.at) * 24 / 100 == pytest.approx(hours, abs=0.01)
    assert made.change_text == change
    assert made.change == pytest.approx(100 * 5 / 24, abs=0.01)


def test_an_hour_that_comes_twice_is_told_apart() -> None:
    rows = drawn(outlook(AUTUMN, [n / 100 for n in range(24)])).rows
    assert [row.when for row in rows[3:7]] == [
        "00:00 – 01:00 BST", "01:00 BST – 01:00 GMT", "01:00 GMT – 02:00", "02:00 – 03:00",
    ]  # fmt: skip
    assert drawn(outlook(SUMMER, [0.1] * 24)).change is None


def test_what_is_not_known_is_a_gap_and_no_zero() -> None:
    made = drawn(outlook(SUMMER, [0.2, None, 0.3]))
    price = made.panels[0]
    assert price.line.count("M") == 2
    assert [row.price for row in made.rows] == ["20.0", "not known", "30.0"]
    assert (price.top, price.bottom) == ("30", "0")


def test_below_zero_there_is_a_zero_line() -> None:
    price, carbon = drawn(outlook(SUMMER, [0.30, -0.10, 0.10])).panels
    assert (price.top, price.bottom, price.zero) == ("30", "−10", 75.0)
    assert carbon.zero is None


def test_nothing_known_is_no_chart() -> None:
    assert chart(outlook(SUMMER, [None], [None]), None, Speech("en", "Europe/London", SUMMER)) is None
    assert chart(outlook(SUMMER, []), None, Speech("en", "Europe/London", SUMMER)) is None


def test_equal_neighbours_are_one_row_and_planned_ones_another() -> None:
    rows = drawn(outlook(SUMMER, [0.1] * 5, blocks=[2])).rows
    assert [(row.when, row.planned) for row in rows] == [
        ("21:00 – 23:00", False), ("23:00 – 00:00", True), ("00:00 – 02:00", False),
    ]  # fmt: skip


@given(st.lists(st.none() | st.floats(-1, 3), min_size=1, max_size=40), st.sampled_from([AUTUMN, SPRING, SUMMER]))
def test_every_line_stays_in_the_drawing(prices: list[float | None], start: datetime) -> None:
    made = drawn(outlook(start, prices))
    for panel in made.panels:
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", panel.line + panel.area)]
        assert all(0 <= number <= WIDE for number in numbers)
    ticks = [tick.at for tick in made.ticks]
    assert ticks == sorted(set(ticks))
    assert made.rows[0].start == made.start
    assert made.rows[-1].end == made.end
    assert all(before.end == after.start for before, after in zip(made.rows, made.rows[1:], strict=False))


# --- wishes and words about amounts


def test_two_taps_change_the_day_that_comes_where_it_has_a_time_of_its_own() -> None:
    known = Preference(car="a.v", ready_by_days={"wed": time(6, 15)}, updated_at=AUTUMN)
    tuesday = datetime.fromisoformat("2026-11-24T18:00:00+00:00")
    assert own_day(known, "Europe/London", tuesday) == "wed"
    assert own_day(known, "Europe/London", tuesday + 24 * HOUR) is None


@pytest.mark.parametrize(("word", "expected"), [("both", 70.0), ("money", 0.0), ("carbon", 300.0)])
def test_a_carbon_price_between_the_words_stays_until_another_word_is_chosen(word: str, expected: float) -> None:
    known = Preference(car="a.v", carbon_price_per_tonne=70, updated_at=AUTUMN)
    sent = Terms.model_validate({"target": 80, "least": 20, "balance": word, "mon": "", "tue": "06:30"})
    changed = known.model_copy(update=sent.of(known))
    assert changed.carbon_price_per_tonne == expected
    assert changed.ready_by_days == {"tue": time(6, 30)}


@pytest.mark.parametrize(
    ("amount", "currency", "english", "german"),
    [
        (4.396, "GBP", "£4.40", "4,40 £"),
        (-0.31, "EUR", "−€0.31", "−0,31 €"),
        (12, "SEK", "12.00 SEK", "12,00 SEK"),
        (-0.001, "EUR", "€0.00", "0,00 €"),
    ],
)
def test_money_reads_as_people_write_it(amount: float, currency: str, english: str, german: str) -> None:
    assert Speech("en", "UTC", AUTUMN).money(amount, currency) == english
    assert Speech("de", "UTC", AUTUMN).money(amount, currency) == german
