"""The guardian's copy of the held cars in a file, so that it works with Kafka gone. Tokens in it stay sealed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from agents.guardian.known import Access, Known
from agents.guardian.rules import Progress
from streams.contracts.base import Instant, account_of
from streams.contracts.held import HeldCar
from tables.rows import KeyRow, Row


class BadCopy(ValueError):
    """The file is not a guardian's copy; the message says what to do."""


class Copy(Row):
    """Who is held, what opens their accounts, and who was started already."""

    version: Literal[1] = 1
    written_at: Instant
    cars: tuple[HeldCar, ...]
    access: tuple[tuple[str, Access], ...]
    keys: tuple[KeyRow, ...]
    settled: tuple[tuple[str, Progress], ...]

    def known(self) -> Known:
        """What the guardian knew when it wrote this."""
        cars, keys = {car.car: car for car in self.cars}, {key.account: key for key in self.keys}
        return Known(cars, dict(self.access), keys)


def copy_of(known: Known, progress: Mapping[str, Progress], now: datetime) -> Copy:
    """The held cars with their accounts; accounts without one stay out of the file."""
    accounts = {account_of(car) for car in known.cars}
    return Copy(
        written_at=now,
        cars=tuple(known.cars.values()),
        access=tuple((name, access) for name, access in known.access.items() if name in accounts),
        keys=tuple(key for name, key in known.keys.items() if name in accounts),
        settled=tuple((car, tried) for car, tried in progress.items() if tried.settled and car in known.cars),
    )


def write(path: Path, copy: Copy) -> None:
    """Replace the file in one step: whoever reads it sees the old or the new one whole. For the owner's eyes only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(copy.model_dump_json().encode())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(path: Path) -> Copy:
    """The copy in a file. Raises BadCopy; FileNotFoundError where there is none."""
    try:
        return Copy.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadCopy(f"{path}: {where}: {first['msg']}; give a file that `d2ev guardian` wrote") from None
