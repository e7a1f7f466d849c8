"""How control stands with a car, as the driver's status is told: each fact by the session it holds for."""

from __future__ import annotations

from datetime import datetime

from streams.contracts.internal import Standing
from streams.domain.control import ControlState, open_session


def standing(control: ControlState, reason: str, now: datetime) -> Standing:
    """What to tell of `control`; `reason` is the last decision's."""
    session = open_session(control)
    current = None if session is None else session.id
    return Standing(
        car=control.car,
        gave_up_session=current if control.gave_up else None,
        driver_session=control.driver_override_session,
        own_schedule_session=control.own_schedule_session,
        proven_at=control.proven_at,
        at_risk_session=current if control.at_risk else None,
        reason=reason,
        at=now,
    )
