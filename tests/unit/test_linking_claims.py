"""Whose a car is: accounts that stay the same, and cars that another driver holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.linking.claims import account_for, account_name
from agents.linking.invitation import Invitation, Offer, Refusal
from agents.linking.refused import Refused
from streams.contracts.base import account_of
from streams.contracts.registration import Registration, TaperPoint
from tests.consenting import BACK, INVITED, NOW, Desk, Maker, desk

VINS = [f"YV1SYNTHETIC0000{n}" for n in range(6)]


@dataclass
class Roll:
    """What is linked, as registrations tell it."""

    held: dict[tuple[str, str], list[Registration]] = field(default_factory=lambda: defaultdict(list))

    def holders(self, oem: str, vehicle: str) -> Iterable[Registration]:
        return self.held.get((oem, vehicle), ())

    def heard(self, offers: Iterable[Offer]) -> None:
        """Registrations come from the log."""
        for one in offers:
            if one.registration is not None:
                where = one.registration.oem, one.registration.vehicle
                self.held[where] = [*self.held[where], one.registration]


def invited(driver: str) -> Invitation:
    return INVITED.model_copy(update={"driver": driver, "account": account_name(driver, "volvo")})


def garage(*vins: str) -> Maker:
    return Maker(cars={"data": [{"vin": vin} for vin in vins]})


async def linked(roll: Roll, driver: str, *vins: str) -> list[Offer]:
    at = desk(garage(*vins), roll.holders)
    offers = await at.linked(invitation=invited(driver))
    roll.heard(at.written)
    return offers


def accounts(offers: Iterable[Offer]) -> set[str]:
    return {account_of(one.car) for one in offers}


async def test_linking_again_after_a_lost_consent_is_the_same_account_and_the_same_cars() -> None:
    roll = Roll()
    first = await linked(roll, "d1", *VINS[1:3])
    again = await linked(roll, "d1", *VINS[:3])  # a car that sorts first has come
    assert accounts(first) == accounts(again)
    assert {one.car for one in first} < {one.car for one in again}


async def test_a_second_account_with_the_maker_does_not_take_the_first_ones_place() -> None:
    roll = Roll()
    assert accounts(await linked(roll, "d1", VINS[0])) != accounts(await linked(roll, "d1", VINS[1]))


async def test_a_car_that_another_driver_holds_is_refused_and_the_others_are_linked() -> None:
    roll = Roll()
    await linked(roll, "d1", VINS[0])
    taken, free = await linked(roll, "d2", *VINS[:2])
    assert (taken.registration, taken.refusal) == (None, Refusal.TAKEN)
    assert free.registration is not None
    assert free.registration.driver == "d2"
    assert "d1" not in str(taken.as_json())


async def test_a_redirect_that_only_names_a_user_gives_nobody_what_another_driver_holds() -> None:
    async def come(at: Desk, driver: str) -> list[Offer]:
        address, carried = await at.linker.begin("smartcar", BACK, invited(driver))
        state = dict(parse_qsl(urlsplit(address).query))["state"]
        return await at.back("smartcar", carried, {"state": state, "user_id": "u-of-d1"}, driver)

    roll = Roll()
    owner = desk(Maker(cars=_connections("v1")), roll.holders)
    roll.heard(await come(owner, "d1"))
    assert owner.written
    thief = desk(Maker(cars=_connections("v1", "v2")), roll.holders)
    with pytest.raises(Refused, match="another driver has linked this account") as raised:
        await come(thief, "d2")
    assert (raised.value.code, thief.written) == ("taken", [])


async def test_without_a_directory_the_invitation_names_the_account() -> None:
    (offer,) = await desk(garage(VINS[0])).linked()
    assert account_of(offer.car) == INVITED.account


@given(
    known=st.lists(st.tuples(st.sampled_from(VINS), st.sampled_from(["a1", "a2"]), st.sampled_from(["d1", "d2"]))),
    listed=st.sets(st.sampled_from(VINS), min_size=1),
)
def test_an_account_is_the_drivers_own_and_does_not_depend_on_order(
    known: list[tuple[str, str, str]], listed: set[str]
) -> None:
    def holders(_oem: str, vehicle: str) -> list[Registration]:
        return [_registered(f"{driver}{account}.{vin}", driver) for vin, account, driver in known if vin == vehicle]

    found = account_for("d1", "volvo", sorted(listed), holders)
    assert found == account_for("d1", "volvo", sorted(listed, reverse=True), lambda *a: reversed(holders(*a)))
    mine = {f"d1{account}" for vin, account, driver in known if driver == "d1" and vin in listed}
    assert found in mine if mine else found == account_name("d1", "volvo", min(listed))


def test_names_of_accounts_tell_nothing_and_are_no_others() -> None:
    names = {
        account_name(*parts) for parts in [("d1", "volvo"), ("d1v", "olvo"), ("d1", "volvo", "x"), ("d2", "volvo")]
    }
    assert len(names) == 4
    assert all(name[0] == "a" and len(name) == 25 for name in names)


async def test_what_nobody_is_asked_stays_as_it_was_registered() -> None:
    roll = Roll()
    await linked(roll, "d1", VINS[0])
    (where,) = roll.held
    taper = (TaperPoint(soc_pct=80, power_kw=3),)
    roll.held[where] = [roll.held[where][0].model_copy(update={"efficiency": 0.83, "taper": taper, "power_kw": 3})]
    (again,) = await linked(roll, "d1", VINS[0])
    assert again.registration is not None
    assert (again.registration.efficiency, again.registration.taper) == (0.83, taper)
    assert again.registration.power_kw == INVITED.power_kw


def _registered(car: str, driver: str) -> Registration:
    return Registration(
        car=car, driver=driver, oem="volvo", vehicle="v", model="", usable_kwh=60, power_kw=11,
        home_zone="Europe/London", region="GB", tariff="GB", registered_at=NOW,
    )  # fmt: skip


def _connections(*names: str) -> dict[str, object]:
    return {"data": [{"attributes": {}, "relationships": {"vehicle": {"data": {"id": name}}}} for name in names]}
