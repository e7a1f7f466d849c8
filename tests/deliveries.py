"""Deliveries as makers make them, registrations as they lie on the log, and a log that can refuse."""

import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from agents.engine.log import NotDurable, Outgoing
from agents.envelope import seal_context
from agents.ingress.directory import Directory
from agents.ingress.intake import Intake
from agents.ingress.metrics import IngressMetrics
from agents.said import Said
from agents.sealing import Sealer
from oem_connectors.credential import pack
from oem_connectors.push import Delivery
from streams import serde
from streams.contracts.base import account_of
from streams.contracts.dead_letter import DeadLetter
from streams.contracts.registration import Registration
from streams.contracts.telemetry import Telemetry
from streams.topics import DEAD_LETTER, REGISTRATION, TELEMETRY

NOW = datetime(2025, 1, 14, 23, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
SECRET = SecretStr("a secret of ours")
SEALER = Sealer(bytes(32))
HOME, THERE, AWAY = "52.5,13.4", (52.5003, 13.4003), (48.1, 11.6)


def registration(car: str, oem: str, vehicle: str, home: str | None = HOME, **told: Any) -> Said:
    """The record that enrols a car; its grant tells the home, if any."""
    details = {"user_id": "u-1"} | ({} if home is None else {"home": home})
    grant = SEALER.seal(pack("refresh", details).get_secret_value().encode(), seal_context(account_of(car)))
    fields = {"grant_sealed": grant, "consent": "given"} | told
    message = Registration(
        car=car, driver="d", oem=oem, vehicle=vehicle, model="", usable_kwh=60, power_kw=11,
        home_zone="Europe/Berlin", region="de", tariff="t", registered_at=NOW, **fields,
    )  # fmt: skip
    return Said(REGISTRATION.name, car, serde.encode(message))


def erased(car: str) -> Said:
    return Said(REGISTRATION.name, car, None)


def enode(
    vehicle: str = "v-1",
    soc: Any = 40,
    at: datetime = NOW - MINUTE,
    place: tuple[float, float] | None = THERE,
    told: str = "user:vehicle:updated",
) -> dict[str, Any]:
    """One event of an Enode batch."""
    where = None if place is None else {"latitude": place[0], "longitude": place[1]}
    charge = {"batteryLevel": soc, "isPluggedIn": True, "lastUpdated": at.isoformat()}
    state = {"id": vehicle, "chargeState": charge, "location": where}
    return {"event": told, "createdAt": at.isoformat(), "user": {"id": "u-1"}, "vehicle": state}


def smartcar(event: str = "e-1", vehicle: str = "v-1", soc: float = 40, at: datetime = NOW - MINUTE) -> dict[str, Any]:
    """A Smartcar delivery of one signal."""
    ms = int(at.timestamp() * 1000)
    signal = {
        "code": "tractionbattery-stateofcharge", "name": "StateOfCharge", "group": "TractionBattery",
        "body": {"value": soc, "unit": "percent"}, "meta": {"oemUpdatedAt": ms, "retrievedAt": ms},
    }  # fmt: skip
    return {
        "eventId": event, "eventType": "VEHICLE_STATE",
        "data": {"user": {"id": "u-1"}, "vehicle": {"id": vehicle}, "signals": [signal]},
        "meta": {"deliveredAt": ms, "mode": "LIVE"},
    }  # fmt: skip


def by_enode(told: Any, secret: SecretStr = SECRET) -> Delivery:
    """Signed as Enode signs. `told` bytes go as they are."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    signature = hmac.new(secret.get_secret_value().encode(), body, "sha1").hexdigest()
    return Delivery({"x-enode-signature": f"sha1={signature}"}, body)


def by_smartcar(told: Any, secret: SecretStr = SECRET) -> Delivery:
    """Signed as Smartcar signs."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return Delivery({"sc-signature": hmac.new(secret.get_secret_value().encode(), body, "sha256").hexdigest()}, body)


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


@dataclass
class FakeLog:
    """What became durable; while it is `down`, nothing does."""

    down: bool = False
    written: list[Outgoing] = field(default_factory=list)

    async def write(self, records: Sequence[Outgoing]) -> None:
        if self.down:
            raise NotDurable("down")
        self.written += records

    def telemetry(self) -> list[Telemetry]:
        return [Telemetry.model_validate_json(one.value or b"") for one in self.of(TELEMETRY.name)]

    def letters(self) -> list[DeadLetter]:
        return [DeadLetter.model_validate_json(one.value or b"") for one in self.of(DEAD_LETTER.name)]

    def of(self, topic: str) -> list[Outgoing]:
        return [one for one in self.written if one.topic == topic]


class Desk:
    """An intake with everything it needs."""

    def __init__(self, enrolled: Iterable[Said]) -> None:
        self.log, self.time, self.metrics, self.directory = FakeLog(), Time(), IngressMetrics(), Directory(SEALER)
        self.directory.hear(enrolled)
        self.restart()

    def restart(self) -> None:
        """A new process on the same log: nothing that was seen is known."""
        self.intake = Intake(self.directory.find, self.log, SEALER, self.time, self.metrics, partitions=6)

    def events(self) -> dict[str, int]:
        """How many events had which outcome."""
        return counted(self.metrics, "d2ev_ingress_events_total")

    def deliveries(self) -> dict[str, int]:
        return counted(self.metrics, "d2ev_ingress_deliveries_total")


def counted(metrics: IngressMetrics, name: str) -> dict[str, int]:
    """A counter by outcome, over all makers."""
    samples = [one for family in metrics.registry.collect() for one in family.samples if one.name == name]
    found: dict[str, int] = {}
    for one in samples:
        found[one.labels["outcome"]] = found.get(one.labels["outcome"], 0) + int(one.value)
    return found
