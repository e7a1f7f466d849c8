"""A driver whose cars are as a test wants them: the real API and pages, on a log that is only made up."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright._impl._api_structures import SetCookieParam
from pydantic import SecretStr

from agents.clock import LogClock, SystemClock
from agents.driver_api import page
from agents.driver_api.api import Api
from agents.driver_api.app import build
from agents.driver_api.identity import Signed, Verifier
from agents.driver_api.limits import Limits, Pace
from agents.driver_api.linking import Links
from agents.driver_api.metrics import ApiMetrics
from agents.driver_api.once import Answers
from agents.driver_api.process import Server
from agents.driver_api.read_model import ReadModel
from agents.driver_api.session import Sessions, SignIn
from agents.driver_api.session import router as session_router
from agents.driver_api.writes import Wishes
from agents.engine.log import NotDurable, Outgoing
from agents.issuer import Issuer
from agents.said import Said
from agents.settings import Settings
from oem_connectors.registry import load as load_connectors
from streams import serde
from streams.contracts.account import AccountState, Link
from streams.contracts.base import Contract, account_of
from streams.contracts.forecast import Forecast, ForecastKind, Slot
from streams.contracts.internal import Standing
from streams.contracts.notification import NotificationEvent, NotificationKind, NotificationPhase
from streams.contracts.preference import Preference
from streams.contracts.registration import Registration
from streams.contracts.schedule import Block, PlanInputs, PlanReason, Schedule
from streams.contracts.session import Amounts, Promise, SessionSettled
from streams.contracts.telemetry import Charge, Plug
from streams.contracts.vehicle import Evidence, PlugSession, VehicleState
from streams.domain import wording
from streams.domain.ready import ready_by
from streams.domain.status import StatusState, status
from streams.topics import (
    ACCOUNT,
    CARBON,
    NOTIFICATION,
    PREFERENCE,
    PRICE,
    REGISTRATION,
    SCHEDULE,
    SESSION,
    STATUS,
    Topic,
)

EVENING = datetime.fromisoformat("2026-11-24T18:04:00+00:00")
HOUR = timedelta(hours=1)
#: Pence and grams, hour by hour from midnight; the wind blows at night.
PRICES = (4, 1, -2, -3, 2, 6, 11, 18, 22, 21, 17, 14, 12, 12, 15, 21, 31, 38, 36, 29, 22, 16, 11, 7)
CARBONS = (
    96,
    88,
    81,
    79,
    84,
    97,
    128,
    171,
    198,
    190,
    172,
    158,
    149,
    152,
    170,
    204,
    241,
    262,
    255,
    229,
    193,
    160,
    131,
    110,
)
ISSUER = "http://127.0.0.1:9"
SEAL_KEY = "bWFkZS11cCBrZXkgZm9yIHRlc3RzIG9ubHkgMzJieXQ="


@cache
def _tls() -> ssl.SSLContext:
    """One for all: reading whom the system trusts is most of what an app takes to make."""
    return ssl.create_default_context()


class MadeUpJournal:
    """Takes what is written; refuses while Kafka is away."""

    def __init__(self) -> None:
        self.away = False
        self.records: list[Outgoing] = []

    async def write(self, records: Sequence[Outgoing]) -> None:
        if self.away:
            raise NotDurable("made up")
        self.records += records


class MadeUpDriver:
    """One driver of the driver API. `car(...)` enrols and describes a car; called again, it has changed."""

    def __init__(
        self, now: datetime = EVENING, zone: str = "Europe/London", name: str = "anna", **settings: Any
    ) -> None:
        self.name, self.zone = name, zone
        issuer = Issuer(issuer=ISSUER, audience="d2ev")
        usual = {"oem_apps": {"simulator": {}, "skoda": {}}, "seal_key": SecretStr(SEAL_KEY), "issuers": (issuer,)}
        self._settings = Settings(env="demo", clock="log", **{**usual, **settings})
        self.read = ReadModel(self._settings)
        assert isinstance(self.read.clock, LogClock)
        self.clock = self.read.clock
        self.clock.seen(now)
        self.read.known = True
        self.journal = MadeUpJournal()
        self._known: dict[str, StatusState] = {}
        self.forecasts()

    def api(self, base_url: str) -> Any:
        """The application as it is served."""
        settings, wall = self._settings, SystemClock()
        sealer = settings.sealer()
        self.sessions = Sessions(sealer, base_url, wall)
        http = httpx.AsyncClient(verify=_tls())
        verifier = Verifier(settings.issuers, http, wall)
        wishes = Wishes(self.read, self.journal, sealer, self.clock, 1)
        api = Api(
            settings=settings,
            base_url=base_url,
            read=self.read,
            wishes=wishes,
            links=Links(settings, load_connectors(), base_url, self.read, wishes),
            answers=Answers(self.read, wishes, sealer, wall),
            verifier=verifier,
            sessions=self.sessions,
            limits=Limits(Pace(1000, 10_000)),
            metrics=ApiMetrics(),
            clock=self.clock,
            wall=wall,
        )
        sign_in = SignIn(self.sessions, verifier, http, base_url)
        return build(api, [page.router(page.desk(api)), session_router(self.sessions, sign_in, verifier)])

    def cookie(self, address: str, name: str = "") -> SetCookieParam:
        """The cookie of whoever is signed in, for all pages at that address."""
        signed = Signed(name or self.name, ISSUER, SystemClock().now() + HOUR)
        key, _, value = self.sessions.begun(signed).partition(";")[0].partition("=")
        return {"name": key, "value": value, "url": f"http://{urlsplit(address).netloc}/"}

    def say(self, topic: Topic, key: str, message: Contract | None) -> None:
        """What the log says."""
        value = None if message is None else serde.encode(message)
        self.read.heard_ourselves([Said(topic.name, key, value)])

    def forecasts(self, known_hours: int = 26, start: datetime | None = None) -> None:
        """Prices as far as they are known, with an hour that is not; carbon for two days."""
        begin = (start or self.clock.now()).replace(minute=0, second=0) - 3 * HOUR
        hours = [begin + n * HOUR for n in range(52)]
        for kind, values, unit, until in (
            (ForecastKind.PRICE, [p / 100 for p in PRICES], "GBP/kWh", begin + known_hours * HOUR),
            (ForecastKind.CARBON, CARBONS, "gCO2/kWh", hours[-1]),
        ):
            slots = [
                Slot(start=at, end=at + HOUR, value=values[at.hour])
                for at in hours
                if at < until and at != begin + 8 * HOUR
            ]
            forecast = Forecast(
                kind=kind,
                key="home",
                unit=unit,
                issued_at=self.clock.now(),
                source="made up",
                known_until=until,
                slots=tuple(slots),
            )
            self.say(PRICE if kind is ForecastKind.PRICE else CARBON, "home", forecast)

    def car(
        self,
        car: str = "a1.v1",
        *,
        model: str = "Kona 64",
        plug: Plug = Plug.PLUGGED,
        charge: Charge = Charge.IDLE,
        soc: float | None = 47,
        soc_age: timedelta = timedelta(minutes=6),
        at_home: bool | None = True,
        hours: Sequence[tuple[int, int]] = ((25, 29),),
        reason: PlanReason = PlanReason.CHEAPEST,
        shortfall: float = 0,
        provisional: bool = False,
        link: Link = Link.LINKED,
        controllable: bool = True,
        **standing: str,
    ) -> None:
        """`hours` are the blocks, in hours after midnight before `now`; `standing` as in Standing."""
        now, session = self.clock.now(), f"s-{car[-2:]}"
        preference = self.preference(car)
        registration = Registration(
            car=car,
            driver=self.name,
            oem="simulator",
            vehicle=car[-2:],
            model=model,
            usable_kwh=64,
            power_kw=7.4,
            home_zone=self.zone,
            region="home",
            tariff="home",
            registered_at=now - 90 * 24 * HOUR,
        )
        plugged = PlugSession(
            id=session,
            plugged_at=now - HOUR,
            seen_at=now - HOUR,
            revision=1,
            evidence=Evidence.PLUG_READING,
            ended_at=None if plug is Plug.PLUGGED else now,
        )
        state = VehicleState(
            car=car,
            oem="simulator",
            soc_pct=soc,
            soc_time=None if soc is None else now - soc_age,
            plug=plug,
            charge=charge,
            at_home=at_home,
            car_time=now - soc_age,
            received_time=now - soc_age,
            session=None if plug is Plug.UNKNOWN else plugged,
        )
        schedule = self._plan(car, session, preference, hours, reason, soc, shortfall, provisional=provisional)
        account = AccountState(account=account_of(car), oem="simulator", link=link, reason="made up", since=now)
        known = self._known.get(car)
        seen = StatusState(
            car=car,
            registration=registration,
            preference=preference,
            state=state,
            schedule=schedule,
            account=account,
            settled=known.settled if known else None,
            standing=Standing(car=car, reason="made up", at=now, **dict.fromkeys(standing, session)),
        )
        self._known[car] = seen
        told = status(seen, now, controllable=controllable)
        self.say(REGISTRATION, car, registration)
        self.say(ACCOUNT, account.account, account)
        self.say(SCHEDULE, car, schedule)
        self.say(STATUS, car, told)

    def preference(self, car: str) -> Preference:
        known = self.read.preference(self.name, car)
        return known or Preference(car=car, updated_at=self.clock.now() - HOUR)

    def prefer(self, car: str = "a1.v1", **changes: Any) -> None:
        """As if chosen before."""
        at = self.clock.now() - HOUR
        self.say(PREFERENCE, car, Preference.model_validate({"car": car, "updated_at": at, **changes}))

    def _plan(
        self,
        car: str,
        session: str,
        preference: Preference,
        hours: Sequence[tuple[int, int]],
        reason: PlanReason,
        soc: float | None,
        shortfall: float,
        *,
        provisional: bool,
    ) -> Schedule:
        now = self.clock.now()
        midnight = now.replace(hour=0, minute=0, second=0)
        blocks = tuple(
            Block(start=midnight + a * HOUR, end=midnight + b * HOUR, energy_kwh=round(6.1 * (b - a), 2))
            for a, b in hours
        )
        energy, by = sum(block.energy_kwh for block in blocks), ready_by(preference, self.zone, now)
        bare = Schedule(
            car=car,
            session_id=session,
            revision=1,
            blocks=blocks,
            energy_kwh=energy,
            cost=round(0.021 * energy, 2),
            currency="GBP",
            carbon_g=84 * energy,
            objective=1,
            reachable=shortfall == 0,
            shortfall_kwh=shortfall,
            target_soc_pct=preference.target_soc_pct,
            expected_soc_pct=None if soc is None else preference.target_soc_pct - 1.4 * shortfall,
            ready_by=by,
            ready_at=blocks[-1].end if blocks else None,
            known_until=now + 23 * HOUR,
            provisional=provisional,
            reason=reason,
            sentence="",
            inputs=PlanInputs(now=now, carbon_price_per_tonne=preference.carbon_price_per_tonne),
        )
        to = wording.Audience(preference.language, self.zone, now)
        return bare.model_copy(update={"sentence": wording.plan_sentence(bare, to)})

    def charged(self, car: str = "a1.v1", count: int = 1, *, priced: bool = True) -> None:
        """So many settled sessions, one every third day."""
        for n in range(count):
            ended = self.clock.now().replace(hour=7, minute=10) - timedelta(days=3 * n)
            kwh = 18.4 + 5 * (n % 3)
            cost = Amounts(managed=kwh * 0.031, unmanaged=kwh * (0.27 if n != 2 else 0.02), timer=1, oracle=1)
            carbon = Amounts(managed=kwh * 86, unmanaged=kwh * 214, timer=1, oracle=1)
            settled = SessionSettled(
                id=f"{car}-{n}",
                car=car,
                session_id=f"old-{n}",
                revision=1,
                plugged_at=ended - 13 * HOUR,
                ended_at=ended,
                settled_at=ended,
                energy_kwh=kwh,
                start_soc_pct=40,
                end_soc_pct=80,
                currency="GBP",
                cost=cost if priced else None,
                carbon_g=carbon if priced else None,
                saving=cost.unmanaged - cost.managed if priced else None,
                carbon_saved_g=carbon.unmanaged - carbon.managed if priced else None,
                promise=Promise.MET if n != 3 else Promise.LEFT_EARLY,
                reason="made up",
            )
            self.say(SESSION, car, settled)
            if n == 0 and car in self._known:
                self._known[car] = self._known[car].model_copy(update={"settled": settled})

    def told(self, kind: NotificationKind, ago: timedelta, car: str = "a1.v1") -> None:
        """A push."""
        bare = status(self._known[car], self.clock.now())
        assert bare is not None
        title, body = wording.notice(kind, bare)
        event = NotificationEvent(
            id=f"{car}-{kind}-{ago}",
            car=car,
            driver=self.name,
            session_id=None,
            kind=kind,
            phase=NotificationPhase.SENT,
            title=title,
            body=body,
            at=self.clock.now() - ago,
        )
        self.say(NOTIFICATION, car, event)


@asynccontextmanager
async def served(driver: MadeUpDriver, port: int = 0) -> AsyncIterator[str]:
    """Serve the driver's pages; yields their address."""
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", port))
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        server = Server(driver.api(url))
        server.config.timeout_graceful_shutdown = 0
        serving = asyncio.create_task(server.serve(sockets=[door]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield url
        finally:
            server.should_exit = server.force_exit = True
            await serving
