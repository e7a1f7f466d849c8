"""Whose a car is: the account that a driver's consent belongs to, and cars that another driver holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import blake2b

from streams.contracts.base import account_of
from streams.contracts.registration import Registration

#: The linked cars that are this vehicle, by maker and the maker's id.
Holders = Callable[[str, str], Iterable[Registration]]


def account_name(driver: str, oem: str, *more: str) -> str:
    """A name that is always the same, and tells nothing of whom it is for."""
    text = "\0".join((driver, oem, *more))
    return f"a{blake2b(text.encode(), digest_size=12, person=b'd2ev account').hexdigest()}"


def account_for(driver: str, oem: str, vehicles: Iterable[str], holders: Holders) -> str:
    """The driver's account that has most of these vehicles already, else one of their own.

    So a lost consent is renewed for the same cars, and a second account with a maker does not take the first's place.
    """
    listed = sorted(vehicles)
    accounts = Counter(
        account_of(held.car) for vehicle in listed for held in holders(oem, vehicle) if held.driver == driver
    )
    return max(sorted(accounts), key=accounts.__getitem__) if accounts else account_name(driver, oem, listed[0])


def taken(driver: str, oem: str, vehicle: str, holders: Holders) -> bool:
    """Whether another driver has linked this vehicle."""
    return any(held.driver != driver for held in holders(oem, vehicle))
