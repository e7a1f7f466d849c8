"""A recorded answer from a file, as telemetry for standard output."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from oem_connectors.base import Connector
from oem_connectors.errors import Unreadable
from oem_connectors.home import is_home
from oem_connectors.recorded import understand


def read(file: str) -> Any:
    """The JSON in a file, "-" for standard input; the answer in it where the file is one of our samples."""
    try:
        if file == "-":
            found = json.loads(sys.stdin.buffer.read())
        else:
            with open(file, "rb") as opened:  # noqa: PTH123 - a user's path, as given
                found = json.loads(opened.read())
    except (ValueError, RecursionError):
        raise ValueError(f"{file}: is not JSON; give one answer of the OEM as it came") from None
    is_sample = isinstance(found, dict) and {"raw", "expected"} <= found.keys()
    return found["raw"] if is_sample else found


def telemetry(
    connector: Connector, file: str, kind: str | None, car: str, received: datetime, home: str | None
) -> dict[str, Any]:
    """One telemetry object; what the car did not say is null. ValueError says why the answer is refused."""
    raw = read(file)
    try:
        said = understand(connector, raw, car, received, kind).telemetry
        if home is not None and said.at_home is None and isinstance(raw, dict):
            said = said.model_copy(update={"at_home": is_home(connector.place(raw), home)})
    except Unreadable as error:
        raise ValueError(f"{file}: {error}") from None
    return said.model_dump(mode="json")
