"""Settled sessions that may still be corrected: prices are corrected and outturn replaces forecasts."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from streams.contracts.forecast import Forecast
from streams.contracts.session import Amounts, SessionSettled
from streams.domain.forecasts import KEPT
from streams.domain.meter import OpenSession
from streams.domain.told import Told

#: Less is rounding: the planner's quantum of cost, and a milligram.
_ROUNDING_CURRENCY: Final = 1e-6
_ROUNDING_G: Final = 1e-3


class Kept(BaseModel):
    """What a session was settled from, and the last account that was given."""

    model_config = ConfigDict(frozen=True)

    opened: OpenSession
    told: Told | None
    account: SessionSettled


def keep(known: tuple[Kept, ...], new: Kept) -> tuple[Kept, ...]:
    """With the newest word on a session, which replaces the one before; in the order in which they were plugged in."""
    others = (kept for kept in known if kept.account.session_id != new.account.session_id)
    return tuple(sorted((*others, new), key=lambda kept: (kept.account.plugged_at, kept.account.session_id)))


def within_reach(known: tuple[Kept, ...], now: datetime) -> tuple[Kept, ...]:
    """Without the sessions that curves no longer cover. The last one stays: its plug session may be corrected."""
    return tuple(kept for kept in known if kept is known[-1] or reachable(kept.account, now))


def reachable(account: SessionSettled, now: datetime) -> bool:
    """Do curves still hold the whole stay?"""
    return account.plugged_at >= now - KEPT


def account_of(known: tuple[Kept, ...], session_id: str) -> SessionSettled | None:
    """The last account of that session, if it is kept."""
    return next((kept.account for kept in known if kept.account.session_id == session_id), None)


def corrects(account: SessionSettled, before: SessionSettled) -> bool:
    """Does it say anything that `before` did not, by more than rounding?

    Amounts once known are not taken back because a curve has gone, unless the plug session itself was corrected.
    """
    if account.session_revision != before.session_revision:
        return True
    if _lost(account.cost, before.cost) or _lost(account.carbon_g, before.carbon_g):
        return False
    said = (account.promise, account.reason, account.currency)
    return said != (before.promise, before.reason, before.currency) or any(
        _moved(a, b, rounding)
        for a, b, rounding in (
            (_values(account.cost), _values(before.cost), _ROUNDING_CURRENCY),
            (_values(account.carbon_g), _values(before.carbon_g), _ROUNDING_G),
            ((account.carbon_believed_g,), (before.carbon_believed_g,), _ROUNDING_G),
            ((account.energy_kwh, account.power_kw), (before.energy_kwh, before.power_kw), _ROUNDING_CURRENCY),
        )
    )


def news(known: Forecast | None, curve: Forecast) -> tuple[datetime, datetime] | None:
    """From where to where a curve says something that it did not say before."""
    said = set(known.slots) if known else set()
    fresh = [slot for slot in curve.slots if slot not in said]
    return (fresh[0].start, fresh[-1].end) if fresh else None


def _lost(now: Amounts | None, before: Amounts | None) -> bool:
    return now is None and before is not None


def _values(amounts: Amounts | None) -> tuple[float | None, ...]:
    return (amounts.managed, amounts.unmanaged, amounts.timer, amounts.oracle) if amounts else (None,)


def _moved(now: tuple[float | None, ...], before: tuple[float | None, ...], rounding: float) -> bool:
    if len(now) != len(before):
        return True
    return any(a != b and (a is None or b is None or abs(a - b) > rounding) for a, b in zip(now, before, strict=True))
