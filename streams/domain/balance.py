"""What charging is chosen by, in words for people: each stands for a price of carbon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Balance = Literal["money", "both", "carbon"]
#: As a carbon price per tonne in the tariff's currency.
BALANCES: Final[Mapping[Balance, float]] = {"money": 0.0, "both": 50.0, "carbon": 300.0}


def balance_of(carbon_price_per_tonne: float) -> Balance:
    """The nearest of the three words."""
    return min(BALANCES, key=lambda word: abs(BALANCES[word] - carbon_price_per_tonne))
