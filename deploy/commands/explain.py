"""`d2ev explain`: why a car is or is not charging."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from streams.contracts.base import CarKey


def explain(
    car: Annotated[str, typer.Argument(help="Car key, <oem account>.<vehicle>.")],
    at: Annotated[str | None, typer.Option(help="As it stood at this instant, RFC 3339; else the newest.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say why a car is (not) charging: the chain from reading to plan to command, and what is open."""
    from agents.settings import load
    from deploy.explain import as_object, look_up
    from deploy.explain_text import text

    until = None if at is None else instant("--at", at)
    known = look_up(load(), _car(car), until)
    print(json.dumps(as_object(known), ensure_ascii=False) if as_json else text(known))


def _car(given: str) -> str:
    try:
        return TypeAdapter(CarKey).validate_python(given)
    except ValidationError:
        raise ValueError(f"{given!r} is no car key; give <oem account>.<vehicle>, for example acct7.car1") from None


def instant(option: str, given: str) -> datetime:
    """An instant given on the command line, in UTC. ValueError says how to mend it."""
    problem = f"{option} {given}: give RFC 3339 with an offset, for example 2023-03-26T01:00:00Z"
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise ValueError(problem) from None
    if at.tzinfo is None:
        raise ValueError(problem)
    return at.astimezone(UTC)
