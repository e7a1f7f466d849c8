"""The file of feeds: what it may say, and one line for what it may not."""

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from agents.feeds.calendar import Daily, Rolling
from agents.feeds.config import BadFeeds, parse, read
from agents.feeds.sources import SOURCES
from streams.contracts.forecast import ForecastKind
from streams.domain.retail import amount_at

DOCS = Path(__file__).parents[2] / "docs" / "feeds.md"
EXAMPLES = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_of_the_docs_are_feeds(number: int) -> None:
    assert parse(EXAMPLES[number])


def test_the_docs_have_examples_and_name_every_source() -> None:
    assert len(EXAMPLES) >= 2
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in SOURCES if f"`{name}`" not in text] == []


FEEDS = """
[[price]]
tariff = "agile"
source = "octopus"
params = { product = "AGILE-24-10-01", tariff = "E-1R-AGILE-24-10-01-C" }

[[price]]
tariff = "nl"
source = "entsoe"
published = 13:05:00
every_minutes = 120
max_age_hours = 48
params = { area = "10YNL----------L", sequence = 1 }
[price.retail]
currency = "EUR"
vat = 0.21
fees.tax = 0.1
fees.network = [
  { from = 23:00:00, to = 07:00:00, per_kwh = 0.02 },
  { days = ["sat", "sun"], per_kwh = 0.02 },
  { per_kwh = 0.05 },
]

[[price]]
tariff = "fixed"
energy = 0.25
[price.retail]
currency = "GBP"
zone = "Europe/London"

[[carbon]]
region = "GB"
source = "neso"

[[carbon]]
region = "CAISO"
source = "watttime"
every_minutes = 5
max_age_hours = 3
ahead_hours = 24
params = { region = "CAISO_NORTH" }
"""


def test_what_a_file_says() -> None:
    agile, nl, fixed, gb, caiso = parse(FEEDS)
    assert [feed.name for feed in (agile, nl, fixed, gb, caiso)] == [
        "price:agile", "price:nl", "price:fixed", "carbon:GB", "carbon:CAISO",
    ]  # fmt: skip
    assert (agile.source, agile.formula, agile.max_age) == (SOURCES["octopus"], None, None)
    assert isinstance(agile.calendar, Daily)
    assert (agile.calendar.published, agile.calendar.day_ends) == (time(16), time(23))
    assert isinstance(nl.calendar, Daily)
    assert (nl.calendar.published, nl.calendar.every) == (time(13, 5), timedelta(hours=2))
    assert nl.params["sequence"] == "1"
    assert nl.max_age == timedelta(hours=48)
    assert nl.formula is not None
    assert nl.formula.zone.key == "Europe/Brussels"
    assert nl.formula.price(0.1, datetime(2026, 5, 4, 12, tzinfo=UTC)) == pytest.approx((0.1 + 0.15) * 1.21)
    assert nl.formula.price(0.1, datetime(2026, 5, 9, 12, tzinfo=UTC)) == pytest.approx((0.1 + 0.12) * 1.21)
    assert fixed.source is None
    assert fixed.energy == 0.25
    assert (gb.kind, gb.calendar, gb.max_age) == (ForecastKind.CARBON, Rolling(), timedelta(hours=12))
    assert caiso.calendar == Rolling(timedelta(minutes=5), timedelta(hours=24))


def test_bands_from_text_times_too() -> None:
    (feed,) = parse(
        '[[price]]\ntariff="x"\nenergy=[{from="22:30",to="06:00",per_kwh=0.1},{per_kwh=0.2}]\n'
        '[price.retail]\ncurrency="EUR"\nzone="Europe/Berlin"'
    )
    assert feed.energy is not None
    assert feed.formula is not None
    assert amount_at(feed.energy, datetime(2026, 1, 5, 21, 30, tzinfo=UTC), feed.formula.zone) == 0.1


OCTOPUS = '[[price]]\ntariff = "a"\nsource = "octopus"\nparams = { product = "P", tariff = "T" }\n'
NESO = "[[carbon]]\nregion = 'GB'\nsource = 'neso'\n"
BAD = [
    ("", "feeds: names no feed; write [[price]] and [[carbon]] entries as in docs/feeds.md"),
    ("[[price]", "feeds: is not TOML"),
    ("[[prices]]\nx = 1", "feeds: prices: no such field; mend its name or remove it"),
    ("[price]\ntariff = 'a'", "feeds: price"),
    ("[[price]]\nsource = 'octopus'", "price number 1: tariff: Field required"),
    ("[[price]]\ntariff = 'a'", "price 'a': give either source or energy"),
    (OCTOPUS + "energy = 0.2", "price 'a': give either source or energy"),
    (OCTOPUS + "sauce = 1", "price 'a': sauce: no such field"),
    (OCTOPUS.replace("octopus", "octupus"), "price 'a': source: no source of price 'octupus'; there are octopus, "),
    (OCTOPUS.replace("octopus", "neso"), "price 'a': source: no source of price 'neso'"),
    (OCTOPUS.replace("octopus", "recorded-prices"), "price 'a': source: no source of price 'recorded-prices'"),
    (OCTOPUS.replace('product = "P", ', ""), "price 'a': params: octopus needs product: product code"),
    (OCTOPUS.replace("product =", "produkt ="), "price 'a': params: octopus has no setting produkt"),
    (OCTOPUS.replace("tariff = \"a\"", "tariff = \"a b\""), "price 'a b': tariff: "),
    (OCTOPUS + OCTOPUS, "price 'a': is there twice"),
    (OCTOPUS + '[price.retail]\ncurrency = "pounds"', "price 'a': retail.currency: "),
    (OCTOPUS + '[price.retail]\ncurrency = "GBP"\nvat = 21', "price 'a': retail.vat: "),
    (OCTOPUS + '[price.retail]\ncurrency = "GBP"\nzone = "London"', "price 'a': retail.zone: give an IANA zone"),
    (OCTOPUS + '[price.retail]\ncurrency = "GBP"\nfees.x = nan', "price 'a': retail.fees.x"),
    (
        OCTOPUS + '[price.retail]\ncurrency = "GBP"\nfees.x = [{ from = "22:00", to = "06:00", per_kwh = 0.1 }]',
        "price 'a': retail.fees.x: no band covers Mon 06:00; end with { per_kwh",
    ),
    ("[[price]]\ntariff = 'a'\nenergy = 0.2", "price 'a': energy needs retail with its currency and zone"),
    ("[[price]]\ntariff = 'a'\nenergy = 0.2\nretail.currency = 'EUR'", "price 'a': retail.zone is missing"),
    (
        "[[price]]\ntariff = 'a'\nenergy = 0.2\nmax_age_hours = 6\nretail = {currency = 'EUR', zone = 'UTC'}",
        "price 'a': max_age_hours: the contract's own prices do not grow old",
    ),
    ("[[price]]\ntariff = 'a'\nenergy = 0.2\nparams = {x = 'y'}\nretail = {currency = 'EUR', zone = 'UTC'}", "params"),
    ("[[carbon]]\nregion = 'GB'", "carbon 'GB': source: Field required"),
    ("[[carbon]]\nregion = 'GB'\nsource = 'neso'\nahead_hours = 500", "carbon 'GB': ahead_hours: "),
    ("[[carbon]]\nregion = 'GB'\nsource = 'neso'\nevery_minutes = 0.1", "carbon 'GB': every_minutes: "),
    ("[[carbon]]\nregion = 'GB'\nsource = 'neso-regional'", "carbon 'GB': params: neso-regional needs either"),
    (NESO + NESO, "carbon 'GB': is there twice"),
    (NESO + NESO.replace("neso", "watttime"), "carbon 'GB': params: watttime needs region"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "why"), BAD)
def test_a_bad_entry_is_one_line(text: str, why: str) -> None:
    with pytest.raises(BadFeeds) as caught:
        parse(text)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadFeeds, match=r"feeds.toml: No such file or directory; set D2EV_FEEDS_FILE"):
        read(tmp_path / "feeds.toml")
    (tmp_path / "feeds.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadFeeds, match="is not UTF-8"):
        read(tmp_path / "feeds.toml")
