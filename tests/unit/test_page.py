"""The page's server: what it answers, to whom, and what it lets a browser do."""

import hashlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

import deploy.demo.page
from deploy.demo.live import Car, Live
from deploy.demo.page import serve
from streams.contracts.command import Action, CommandEvent, CommandPhase
from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.contracts.schedule import Block, PlanInputs, PlanReason, Schedule
from streams.contracts.session import Amounts, Promise, SessionSettled
from streams.contracts.telemetry import Charge, Plug

START = datetime(2023, 3, 25, 12, tzinfo=UTC)
NOW = START + timedelta(hours=12)
HOUR = timedelta(hours=1)
STATIC = Path(deploy.demo.page.__file__).parent / "static"


def at(hours: float) -> datetime:
    return START + hours * HOUR


def status(**changed: Any) -> DriverStatus:
    fields = {
        "car": "a.1",
        "driver": "d",
        "reason": StatusReason.WAITING_FOR_CHEAP,
        "sentence": "Charging starts about 02:00.",
        "plug": Plug.PLUGGED,
        "charge": Charge.IDLE,
        "soc_pct": 41.0,
        "session_id": "s2",
        "next_start": at(14),
        "home_zone": "Europe/London",
        "version": "1",
        "at": NOW,
    }
    return DriverStatus.model_validate(fields | changed)


def schedule(session: str = "s2") -> Schedule:
    return Schedule(
        car="a.1",
        session_id=session,
        revision=3,
        energy_kwh=10,
        cost=1.2,
        currency="EUR",
        carbon_g=900,
        objective=1.3,
        blocks=(Block(start=at(11.5), end=at(12.5), energy_kwh=4), Block(start=at(14), end=at(15.5), energy_kwh=6)),
        reachable=True,
        shortfall_kwh=0,
        reason=PlanReason.CHEAPEST,
        sentence="Charging in 2 parts.",
        inputs=PlanInputs(now=at(10), soc_pct=41, price_issued_at=at(-1)),
    )


def command(phase: CommandPhase, minute: int) -> CommandEvent:
    return CommandEvent(
        id="c1",
        car="a.1",
        session_id="s2",
        plan_revision=3,
        action=Action.START,
        phase=phase,
        reason="block",
        at=NOW + timedelta(minutes=minute),
        decided_at=NOW,
        not_after=NOW + HOUR,
    )


def settled(revision: int, cost: float) -> SessionSettled:
    return SessionSettled(
        id=f"x{revision}",
        car="a.1",
        session_id="s1",
        revision=revision,
        plugged_at=at(1),
        ended_at=at(5),
        settled_at=at(5),
        energy_kwh=8,
        currency="EUR",
        cost=Amounts(managed=cost, unmanaged=2, timer=2, oracle=1),
        promise=Promise.MET,
        reason="ready",
    )


def price(*starts_and_values: tuple[float, float]) -> Forecast:
    slots = tuple(Slot(start=at(start), end=at(start + 1), value=value) for start, value in starts_and_values)
    return Forecast(
        kind=ForecastKind.PRICE,
        key="GB",
        unit="EUR/kWh",
        issued_at=START,
        source="test",
        known_until=slots[-1].end,
        slots=slots,
    )


@pytest.fixture
def live() -> Live:
    live = Live(START, at(24), "Europe/London", "EUR", NOW, scenario="<b>usual</b>")
    live.cars = {
        "a.1": Car("a.1", "<script>alert(1)</script>", "Europe/London"),
        "a.2": Car("a.2", "Other", "Europe/London"),
    }
    live.take("a.1", status())
    live.take("a.1", schedule())
    return live


@pytest.fixture
async def url(live: Live) -> AsyncIterator[URL]:
    runner, address = await serve(live)
    yield URL(address)
    await runner.cleanup()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def read(http: aiohttp.ClientSession, url: URL, path: str) -> Any:
    async with http.get(url.joinpath(path)) as answer:
        assert answer.status == 200
        return await answer.json()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 200),
        ("api/fleet", 200),
        ("api/curves", 200),
        ("api/cars/a.1", 200),
        ("static/app.js", 200),
        ("api/cars/a.9", 404),
        ("nothing", 404),
        ("static/../server.py", 404),
    ],
)
async def test_every_answer_carries_the_security_headers(
    http: aiohttp.ClientSession, url: URL, path: str, status: int
) -> None:
    async with http.get(URL(f"{url}{path}", encoded=True)) as answer:
        assert answer.status == status
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_another_host_name_is_refused(http: aiohttp.ClientSession, url: URL) -> None:
    async with http.get(url, headers={"Host": "attacker.example"}) as answer:
        assert answer.status == 421
        assert "D2EV" not in await answer.text()


async def test_the_page_holds_no_inline_script_or_style_and_escapes_what_it_is_told(
    http: aiohttp.ClientSession, url: URL
) -> None:
    async with http.get(url) as answer:
        page = await answer.text()
    assert "<b>usual</b>" not in page
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page) == []
    assert re.findall(r"(?:src|href)=\"(?!static/|#)", page) == []


def test_vendored_files_are_the_published_ones() -> None:
    told = dict(re.findall(r"\| (\S+) \| ([0-9a-f]{64}) \|", (STATIC / "vendor/README.md").read_text()))
    assert told == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (STATIC / "vendor").iterdir()
        if path.name.startswith("uPlot.")
    }


def test_no_script_or_style_names_another_host() -> None:
    own = [path for path in STATIC.iterdir() if path.suffix in {".js", ".css"}]
    named = {match for path in own for match in re.findall(r"https?://[^\"'` ]+", path.read_text())}
    assert named == {"http://www.w3.org/2000/svg"}


async def test_the_fleet_tells_state_next_start_and_plan(http: aiohttp.ClientSession, url: URL) -> None:
    fleet = await read(http, url, "api/fleet")
    first, other = fleet["cars"]
    assert (first["state"], first["soc_pct"], first["next_start"]) == ("waiting", 41.0, at(14).timestamp())
    assert [energy for _, _, energy in first["blocks"]] == [4, 6]
    assert (other["state"], other["soc_pct"], other["blocks"]) == ("not heard yet", None, [])
    assert fleet["states"]["waiting"] == 1
    assert fleet["books"] is None


async def test_a_finished_sessions_plan_is_not_in_force(http: aiohttp.ClientSession, url: URL, live: Live) -> None:
    live.take("a.1", schedule("s1"))
    assert (await read(http, url, "api/fleet"))["cars"][0]["blocks"] == []
    assert (await read(http, url, "api/cars/a.1"))["plan"] is None


async def test_a_start_in_the_past_is_no_next_start(http: aiohttp.ClientSession, url: URL, live: Live) -> None:
    live.take("a.1", status(next_start=at(11)))
    assert (await read(http, url, "api/fleet"))["cars"][0]["next_start"] is None


async def test_the_plan_ahead_is_the_rest_of_its_energy(http: aiohttp.ClientSession, url: URL) -> None:
    planned = (await read(http, url, "api/curves"))["planned"]
    assert planned[0][0] == NOW.timestamp()
    assert sum(kw for _, kw in planned) / 4 == pytest.approx(2 + 6)


async def test_curves_keep_gaps_and_end_with_the_demo(http: aiohttp.ClientSession, url: URL, live: Live) -> None:
    live.price = price((-0.5, 0.1), (3, -0.02), (23.5, 0.3))
    curves = await read(http, url, "api/curves")
    begin = START.timestamp()
    assert curves["price"] == [
        [begin, begin + 1800, 0.1],
        [begin + 3 * 3600, begin + 4 * 3600, -0.02],
        [begin + 23.5 * 3600, begin + 24 * 3600, 0.3],
    ]
    assert curves["carbon"] == []


async def test_a_car_tells_its_reasons_with_their_inputs(http: aiohttp.ClientSession, url: URL) -> None:
    car = await read(http, url, "api/cars/a.1")
    assert (car["reason"], car["plan"]["reason"], car["plan"]["revision"]) == ("waiting_for_cheap", "cheapest", 3)
    assert car["plan"]["inputs"]["price_issued_at"] == at(-1).timestamp()
    assert car["plan"]["inputs"]["soc_time"] is None


async def test_a_command_is_one_line_with_its_steps(http: aiohttp.ClientSession, url: URL, live: Live) -> None:
    for minute, phase in enumerate((CommandPhase.INTENT, CommandPhase.SENT, CommandPhase.CONFIRMED)):
        live.take("a.1", command(phase, minute))
    (trail,) = (await read(http, url, "api/cars/a.1"))["commands"]
    assert [step["phase"] for step in trail["steps"]] == ["intent", "sent", "confirmed"]


async def test_a_corrected_settlement_counts_once(http: aiohttp.ClientSession, url: URL, live: Live) -> None:
    live.take("a.1", settled(1, 1.5))
    live.take("a.1", settled(2, 1.25))
    assert [s["cost"] for s in (await read(http, url, "api/cars/a.1"))["sessions"]] == [1.25]
    saved = next(tile for tile in (await read(http, url, "api/fleet"))["tiles"] if tile["label"] == "Saved so far")
    assert saved["value"] == "0.75 EUR"
    assert saved["note"].startswith("38 % less")


async def test_the_books_come_with_the_summary(http: aiohttp.ClientSession, url: URL, live: Live) -> None:
    four = {"managed": 4.0, "unmanaged": 5.0, "timer": 4.5, "oracle": 3.9}
    live.summary = {
        "vehicles": 2,
        "sessions": 3,
        "energy_kwh": 40.0,
        "currency": "EUR",
        "cost": four,
        "carbon_kg": four,
    }
    told = (await read(http, url, "api/fleet"))["books"]
    assert told["ways"] == ["D2EV", "At once", "Timer 00:30", "Oracle"]
    assert {row["name"]: row["cells"][0] for row in told["rows"] if row["part"]}["ct/kWh"] == "10.00"
