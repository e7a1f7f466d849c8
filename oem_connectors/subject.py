"""A connector under examination: its folder, its samples, and how it takes an answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from oem_connectors.base import Ask, Connector
from oem_connectors.errors import Unreadable
from oem_connectors.mutations import Raw
from streams.contracts.telemetry import Telemetry

CAR = "account.car"
#: What the account of a car under examination knows besides its token.
DETAILS = {"home": "10.0,20.0"}
RECEIVED = datetime(2025, 1, 1, 12, tzinfo=UTC)


class Broken(Exception):
    """The connector failed in a way that no promise allows."""


@dataclass(frozen=True)
class Subject:
    """A connector and the folder it lives in."""

    connector: Connector

    @cached_property
    def folder(self) -> Path:
        """Where the connector is defined."""
        return Path(str(sys.modules[self.connector.kinds[0].fields.__module__].__file__)).parent

    @cached_property
    def samples(self) -> Mapping[str, Mapping[str, Any]]:
        """Samples by file name: {"about", "raw", "expected"}."""
        files = sorted((self.folder / "samples").glob("*.json"))
        return {file.name: json.loads(file.read_text("utf-8")) for file in files}

    def raws(self) -> Iterator[tuple[str, str | None, Raw]]:
        """Every sample's raw answer, by file name, with its kind (None: what a reading answers)."""
        for name, sample in self.samples.items():
            yield name, sample.get("kind"), sample["raw"]

    @property
    def models(self) -> list[str]:
        """The models that the samples name, and one that nobody knows."""
        return sorted({"", *(sample.get("model", "") for sample in self.samples.values())})

    def read(self, raw: Raw, kind: str | None = None) -> Telemetry | None:
        """The answer normalised, None where it was refused in one clear line. Raises `Broken`."""
        try:
            return self.connector.normalise(CAR, raw, RECEIVED, kind)
        except Unreadable as error:
            if not str(error) or "\n" in str(error):
                raise Broken("a refusal must be one clear line") from None
            return None
        except Exception as error:
            raise Broken(f"normalise raises {type(error).__name__}; only Unreadable may leave it") from error

    def refusal(self, raw: Raw, kind: str | None = None) -> str:
        """The line of a refusal, empty where the answer was taken."""
        try:
            self.connector.normalise(CAR, raw, RECEIVED, kind)
        except Unreadable as error:
            return str(error)
        return ""


def ask(at: datetime) -> Ask:
    """What a body of the car's own schedule is made for."""
    return Ask(at, UTC, DETAILS)


def said(telemetry: Telemetry) -> dict[str, object]:
    """What a reading says: every field of the car that is neither null nor unknown."""
    fields = telemetry.model_dump(mode="json", exclude={"car", "oem", "received_time"}, exclude_none=True)
    return {name: value for name, value in fields.items() if value != "unknown"}
