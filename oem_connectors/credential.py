"""A token together with what else the calls of its account need: region, user id, home. Sealed as one text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import SecretStr


class Credential(NamedTuple):
    """`details` are texts by name. A token without details is its own packed form."""

    token: str
    details: Mapping[str, str]


def pack(token: str, details: Mapping[str, str]) -> SecretStr:
    """As one text that `unpack` opens."""
    text = json.dumps({"token": token, "details": dict(details)}, separators=(",", ":")) if details else token
    return SecretStr(text)


def unpack(packed: SecretStr) -> Credential:
    """The token and its details. A text that is not packed is a bare token: makers' tokens begin with no brace."""
    text = packed.get_secret_value()
    if not text.startswith('{"token":'):
        return Credential(text, {})
    found = json.loads(text)
    return Credential(found["token"], found["details"])
