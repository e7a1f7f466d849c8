"""Linking for drivers who are signed in: what can be linked, and the way through consent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from pydantic import SecretStr

from agents.clock import SystemClock
from agents.driver_api.errors import Refusal
from agents.driver_api.limits import Limits, Pace, retry_after
from agents.driver_api.read_model import ReadModel
from agents.driver_api.views import View
from agents.driver_api.writes import Wishes
from agents.linking.claims import account_name
from agents.linking.door import Door, Outcome
from agents.linking.invitation import Home, Invitation, Offer
from agents.linking.linker import Waiting
from agents.linking.process import Makers
from agents.linking.refused import Refused
from agents.settings import Settings
from oem_connectors.base import Connector
from oem_connectors.consent import Consent, Flow
from oem_connectors.filling import registered_with
from streams.contracts.registration import Registration

#: How often a driver may have us call makers about consent; a typed code is asked about twelve times a minute.
PACE: Final = Pace(at_once=20, per_minute=30)
#: A detail that is longer is none.
_DETAIL_CHARS: Final = 200
#: Its accounts are nobody's.
_PRETENDED: Final = "simulator"


class MakerView(View):
    """A car maker whose accounts can be linked. `asks` are the details that only the driver knows."""

    oem: str
    title: str
    way: Flow
    asks: tuple[str, ...]


class Links:
    """Links accounts of drivers. A consent under way is with the browser: any instance goes on with it."""

    def __init__(
        self, settings: Settings, connectors: Mapping[str, Connector], base_url: str, read: ReadModel, wishes: Wishes
    ) -> None:
        self._makers = Makers(settings, connectors)
        self._consents = {
            name: one.consent
            for name, one in self._makers.connectors.items()
            if one.consent is not None and _is_open(one, settings)
        }
        self._read, self._wishes = read, wishes
        self._limits, self._wall = Limits(PACE), SystemClock()
        self._linker = self._makers.linker(read.clock, self._publish, self._holders)
        self._door = Door(self._linker, lambda oem: self._makers.redirect_uri(oem, base_url))

    def makers(self) -> list[MakerView]:
        """Who can be linked here, by title."""
        found = (
            MakerView(oem=name, title=self._makers.connectors[name].title, way=one.flow, asks=one.asks)
            for name, one in self._consents.items()
        )
        return sorted(found, key=lambda one: one.title)

    def regions(self) -> list[str]:
        """Regions that there is a carbon forecast for."""
        return sorted(key for kind, key in self._read.book.forecasts if kind == "carbon")

    def tariffs(self) -> list[str]:
        """Tariffs that there is a price forecast for."""
        return sorted(key for kind, key in self._read.book.forecasts if kind == "price")

    def way(self, oem: str) -> Flow:
        """The maker's way of consent. Raises Refused."""
        return self._consent(oem).flow

    async def begin(self, driver: str, oem: str, home: Home, answer: Callable[[str], Response]) -> Response:
        """`answer(address)` of the maker's page, with the consent in its cookie. Raises OemError, Refusal."""
        self._slow(driver)
        return await self._door.begin(oem, self._invitation(driver, oem, home), answer)

    async def back(self, oem: str, request: Request, driver: str, answer: Callable[[Outcome], Response]) -> Response:
        """The maker sends the browser back: `answer(outcome)`. Raises NotDurable, Refusal."""
        self._slow(driver)
        return await self._door.back(oem, request, driver, answer)

    async def with_token(self, driver: str, oem: str, home: Home, token: SecretStr) -> list[Offer]:
        """Link with a refresh token that the driver brings. Raises OemError, NotDurable, Refusal."""
        self._slow(driver)
        return await self._linker.with_token(oem, token, self._invitation(driver, oem, home))

    async def begin_code(self, driver: str, oem: str, home: Home) -> Waiting:
        """A code for the driver to type in on the maker's page. Raises OemError, Refusal."""
        self._slow(driver)
        return await self._linker.begin_code(oem, self._invitation(driver, oem, home))

    async def ask_code(self, driver: str, oem: str, ticket: str) -> list[Offer] | Waiting:
        """Whether the code was typed in. Raises OemError, NotDurable, Refusal."""
        self._slow(driver)
        return await self._linker.ask_code(oem, ticket, driver)

    async def close(self) -> None:
        """End the connections."""
        await self._makers.close()

    def _slow(self, driver: str) -> None:
        """What we ask of makers counts for all drivers: none may use it up. Raises Refusal."""
        wait = self._limits.take(driver, self._wall.now())
        if wait is not None:
            raise Refusal(429, "too many requests", Retry_After=retry_after(wait))

    def _invitation(self, driver: str, oem: str, home: Home) -> Invitation:
        """Raises Refused for what nobody asked, or what there is nothing to plan with."""
        consent, book = self._consent(oem), self._read.book
        if home.details.keys() != set(consent.asks) or any(len(one) > _DETAIL_CHARS for one in home.details.values()):
            raise Refused("refused", f"details: {', '.join(consent.asks) or 'none'} are asked")
        if ("carbon", home.region) not in book.forecasts:
            raise Refused("refused", "region: there is no carbon forecast of that name")
        if ("price", home.tariff) not in book.forecasts:
            raise Refused("refused", "tariff: there is no price forecast of that name")
        told = {name: getattr(home, name) for name in Home.model_fields}
        return Invitation(account=account_name(driver, oem), driver=driver, **told)

    def _consent(self, oem: str) -> Consent:
        found = self._consents.get(oem)
        if found is None:
            raise Refused("unknown_maker", "accounts of this maker cannot be linked here")
        return found

    def _holders(self, oem: str, vehicle: str) -> list[Registration]:
        book = self._read.book
        found = (book.cars[car].registration for car in book.holders(oem, vehicle))
        return [registration for registration in found if registration is not None]

    async def _publish(self, invitation: Invitation, offers: Sequence[Offer]) -> None:
        registrations = [one.registration for one in offers if one.registration is not None]
        await self._wishes.enrol(invitation.driver, registrations, invitation.language)


def _is_open(connector: Connector, settings: Settings) -> bool:
    """Whether drivers can link the maker's accounts: the operator has named it, with what it takes to be registered."""
    pretended = connector.name == _PRETENDED and settings.env == "production"
    registered = settings.oem_apps.get(connector.name)
    return not pretended and registered is not None and registered_with(connector) <= registered.keys()
