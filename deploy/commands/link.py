"""`d2ev oem link`: link one account from a terminal, by the maker's own way of consent."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agents.linking.invitation import Invitation, Offer
    from agents.settings import Settings


def link(
    name: Annotated[str, typer.Argument(help="Whose account, as in `d2ev oem list`.")],
    account: Annotated[str, typer.Option(help="Our name for the account: letters, digits, _ and -.")],
    driver: Annotated[str, typer.Option(help="Whose cars these are.")],
    zone: Annotated[str, typer.Option(help="IANA time zone of the home.")],
    region: Annotated[str, typer.Option(help="Region of the carbon forecast.")],
    tariff: Annotated[str, typer.Option(help="Key of the price forecast.")],
    usable_kwh: Annotated[float, typer.Option(help="Usable battery.")],
    power_kw: Annotated[float, typer.Option(help="AC power at home, at the wall.")],
    home: Annotated[str | None, typer.Option(help="Home as LATITUDE,LONGITUDE; sealed with the token.")] = None,
    detail: Annotated[list[str] | None, typer.Option(help="What the maker's calls need, NAME=VALUE; repeat.")] = None,
    port: Annotated[int, typer.Option(help="Where the browser is sent back to on 127.0.0.1; 0: any.")] = 8771,
) -> None:
    """Link an account: consent, list of cars, registrations. Prints one JSON line per car.

    Makers without a way for third parties take a refresh token of the driver's on standard input.
    """
    from pydantic import ValidationError

    from agents.linking.invitation import Invitation
    from agents.settings import load

    told = dict(pair.partition("=")[::2] for pair in detail or [])
    given: dict[str, object] = {
        "account": account,
        "driver": driver,
        "home_zone": zone,
        "region": region,
        "tariff": tariff,
    }
    given |= {"home": home, "usable_kwh": usable_kwh, "power_kw": power_kw, "details": told}
    try:
        invitation = Invitation.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        option = str(first["loc"][0]).replace("home_zone", "zone").replace("_", "-")
        raise ValueError(f"--{option}: {first['msg'].removeprefix('Value error, ')}") from None
    offers = asyncio.run(_link(load(), name, invitation, port))
    for one in offers:
        print(json.dumps(one.as_json(), ensure_ascii=False))
    if not any(one.registration for one in offers):
        raise SystemExit(1)


async def _link(settings: Settings, oem: str, invitation: Invitation, port: int) -> list[Offer]:
    from agents.linking.process import Linking
    from oem_connectors import registry
    from oem_connectors.errors import OemError

    linking = Linking(settings, registry.load())
    try:
        return await linking.one(oem, invitation, port, _say, sys.stdin.readline)
    except OemError as error:
        raise ValueError(f"{oem}: {error}") from None
    finally:
        await linking.close()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
