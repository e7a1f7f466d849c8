"""An explanation for people: one line per link of the chain, times in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from deploy.explain import Known, chains, open_questions
from streams.contracts.command import CommandEvent
from streams.contracts.schedule import Schedule
from streams.contracts.vehicle import VehicleState


def text(known: Known) -> str:
    """The whole explanation, several lines."""
    return "\n".join(_lines(known))


def _lines(known: Known) -> Iterator[str]:
    yield f"{known.car} at {_at(known.now)}"
    status = known.status
    yield _line("status", "none yet" if status is None else f"{status.reason.value}: {status.sentence}")
    yield _line("car", "no reading yet" if known.state is None else _car(known.state))
    wish = known.preference
    if wish is not None:
        yield _line(
            "wish",
            f"{wish.target_soc_pct:g} % by {wish.ready_by:%H:%M} home time, {wish.mode} (of {_at(wish.updated_at)})",
        )
    if known.schedule is None:
        yield _line("plan", "none yet")
    else:
        yield from _plan(known.schedule, ours=status is None or status.controllable)
    told = chains(known.commands)
    yield from (_line("command", _command(chain)) for chain in told)
    if not told:
        yield _line("command", "none")
    yield from (_line("open", question) for question in open_questions(known) or ["nothing"])


def _car(state: VehicleState) -> str:
    soc = "charge level unknown" if state.soc_pct is None else f"{state.soc_pct:g} % (of {_at(state.soc_time)})"
    place = {True: "at home", False: "away", None: "place unknown"}[state.at_home]
    power = "" if state.power_kw is None else f" {state.power_kw:g} kW"
    return (
        f"plug {state.plug.value}, charge {state.charge.value}{power}, {soc}, {place}; "
        f"sampled {_at(state.car_time)}, received {_at(state.received_time)}"
    )


def _plan(plan: Schedule, *, ours: bool) -> Iterator[str]:
    """The plan; `ours` to carry out, or the driver's."""
    said = plan.sentence if ours else "advice to the driver"
    yield _line("plan", f"revision {plan.revision}, {plan.reason.value}: {said}")
    for block in plan.blocks:
        yield _line("", f"{_at(block.start)} to {_at(block.end)}, {block.energy_kwh:.2f} kWh")
    if plan.blocks:
        yield _line(
            "", f"{plan.energy_kwh:.2f} kWh, {plan.cost:.2f} {plan.currency}, {plan.carbon_g / 1000:.2f} kg CO2; "
            f"ready {_at(plan.ready_at)}, wanted by {_at(plan.ready_by)}",
        )  # fmt: skip
    made = plan.inputs
    soc = "unknown" if made.soc_pct is None else f"{made.soc_pct:g} % of {_at(made.soc_time)}"
    yield _line(
        "made", f"{_at(made.now)} from charge level {soc}, prices of {_at(made.price_issued_at)}, "
        f"carbon of {_at(made.carbon_issued_at)}, wish of {_at(made.preference_updated_at)}",
    )  # fmt: skip


def _command(chain: list[CommandEvent]) -> str:
    phases = ", ".join(
        f"{event.phase.value} {event.at:%H:%M:%S}" + (f" ({event.detail})" if event.detail else "") for event in chain
    )
    first = chain[0]
    return f"{first.action.value} decided {_at(first.decided_at)}, {first.reason}: {phases}"


def _line(label: str, words: str) -> str:
    return f"  {label:<9}{words}"


def _at(at: datetime | None) -> str:
    return "unknown" if at is None else f"{at:%Y-%m-%d %H:%M}Z"
