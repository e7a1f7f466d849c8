"""The driver API attacked by its own document: no failure of ours, and no answer the document does not describe.

`python -m tests.fuzz.api [--cases N] [--seed N]`. Half of the requests are as the document wants them, half are not;
most are about a car that is there.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any, TypeAlias

import httpx
import schemathesis
import structlog
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from schemathesis import Case as AnyCase
from schemathesis import GenerationMode, checks
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from agents.driver_api.app import document
from agents.push.webpush import new_vapid_key
from streams.contracts.base import account_of
from streams.contracts.notification import NotificationKind
from streams.contracts.push_device import PushDevice
from streams.topics import DEVICE
from tests.browser.made_up_driver import EVENING, HOUR, MadeUpDriver

Case: TypeAlias = AnyCase[Any]
Operation: TypeAlias = APIOperation[Any, Any, Any, Any]
BASE = "http://127.0.0.1:8302"
CAR = "a1.v1"
KEY = new_vapid_key()
#: After so many requests the driver begins anew: some unlink the car, and one erases all.
RENEWED_AFTER = 100
#: Not attacked: a stream of events, which has no end.
ENDLESS = "/api/v1/events"
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


class Target:
    """The API in this process, with a signed-in driver who has a car, a history and messages."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._asked = count()
        self._addresses = count(1)

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    def answer(self, case: Case, *, about_own: bool) -> httpx.Response:
        """What the API says to it; about what the driver really has, or about whatever was made up."""
        if next(self._asked) % RENEWED_AFTER == 0:
            self.renew()
        if about_own:
            case.path_parameters.update({name: self._own[name] for name in case.path_parameters})
        asked = case.as_transport_kwargs(base_url=BASE)
        if about_own:
            asked["headers"].pop("Authorization", None)
        return self._runner.run(self._send(asked))

    def renew(self) -> None:
        """Begin anew."""
        # Behind a proxy, so that each request has an address of its own and none comes too often.
        driver = MadeUpDriver(api_proxies=1, oem_apps={"simulator": {}}, vapid_key=SecretStr(KEY))
        driver.car(CAR)
        driver.charged(CAR, count=3)
        driver.told(NotificationKind.PLUGGED_IN, HOUR, CAR)
        self._app = driver.api(BASE)
        device = f"{account_of(CAR)}.{'d' * 16}"
        driver.say(
            DEVICE, device, PushDevice(device=device, driver=driver.name, kind="fcm", target_sealed="s", since=EVENING)
        )
        self._own = {"car": CAR, "oem": "simulator", "device": "d" * 16}
        cookie = driver.cookie(BASE)
        self._headers = {
            "Cookie": f"{cookie['name']}={cookie['value']}",
            "Origin": BASE,
            "Sec-Fetch-Site": "same-origin",
        }

    async def _send(self, asked: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        number = next(self._addresses)
        from_where = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        headers = {**(asked.pop("headers") or {}), **self._headers, "X-Forwarded-For": from_where}
        asked = {name: asked[name] for name in ("method", "url", "params", "json", "data") if name in asked}
        if isinstance(asked.get("data"), bytes | str):
            asked["content"] = asked.pop("data")
        async with httpx.AsyncClient(transport=transport) as client:
            raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
            return await client.request(headers=raw, **asked)


def operations() -> Iterator[Operation]:
    """What the document offers."""
    for found in schemathesis.openapi.from_dict(document()).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path != ENDLESS:
            yield operation


def cases(operation: Operation) -> st.SearchStrategy[Case]:
    """Requests of all kinds."""
    return st.one_of([operation.as_strategy(mode) for mode in _modes(operation)])


def _modes(operation: Operation) -> Iterator[GenerationMode]:
    yield GenerationMode.POSITIVE
    if operation.path_parameters or operation.query or operation.body:
        yield GenerationMode.NEGATIVE


def attack(target: Target, operation: Operation, number: int, start: int) -> Counter[int]:
    """Send so many made-up requests. Returns the statuses; raises on the first answer that breaks a rule."""
    statuses: Counter[int] = Counter()
    target.renew()

    @seed(start)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(operation), own=st.integers(0, 3))
    def one(case: Case, own: int) -> None:
        response = target.answer(case, about_own=own > 0)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    one()
    return statuses


def main() -> None:
    """Attack every operation; ends with the statuses of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    offered = list(operations())
    total = 0
    with Target() as target:
        for operation in offered:
            statuses = attack(target, operation, given.cases // len(offered), given.seed)
            total += statuses.total()
            told = "  ".join(f"{status}: {n:,}" for status, n in sorted(statuses.items()))
            print(f"{operation.label:<42} {told}", flush=True)
    print(f"{total:,} requests: no failure of ours, no answer that the document does not describe")


if __name__ == "__main__":
    main()
