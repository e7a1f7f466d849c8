"""A worker of a later version: every message and every row it writes has a field that this version does not know.

`python -m tests.integration.newer_worker`, configured as the worker.
"""

from collections.abc import Callable
from typing import Any

from deploy.commands.processes import worker
from streams import serde
from tables import TABLES

ADDED = b'"added_later":{"unit":"kWh","values":[1,null]}'


def newer(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """The same JSON object, with one field more."""

    def encoded(message: Any) -> bytes:
        text = encode(message)
        return text[:-1] + (b"," if len(text) > 2 else b"") + ADDED + b"}"

    return encoded


if __name__ == "__main__":
    vars(serde)["encode"] = newer(serde.encode)
    for table in TABLES:
        object.__setattr__(table, "encode", newer(table.encode))
    worker()
