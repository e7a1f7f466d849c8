"""Fills names in braces, as connectors write them, with what the account and the operator's app know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from oem_connectors.base import Connector
from oem_connectors.consent import Flow
from oem_connectors.errors import Rejected

Names = Mapping[str, str]
_NAME = re.compile(r"\{([a-z_]+)\}")
#: What a consent brings by itself.
_OF_THE_FLOW = frozenset({"redirect_uri", "state", "challenge", "code", "user_id", "verifier", "device_code"})


def filled(template: str, names: Names) -> str:
    """The text with every `{name}` replaced. Raises `Rejected` where nobody has told the name."""

    def value(match: re.Match[str]) -> str:
        found = names.get(match[1])
        if found is None:
            raise Rejected(f"{match[1]} is missing: neither D2EV_OEM_APPS nor the account's details have it")
        return found

    return _NAME.sub(value, template)


def filled_path(template: str, names: Names) -> str:
    """As `filled`, every value quoted so that it stays inside its part of the path."""
    return filled(template, {name: quote(value, safe="") for name, value in names.items()})


def filled_texts(value: Any, names: Names) -> Any:
    """A JSON value with every text in it filled."""
    if isinstance(value, str):
        return filled(value, names)
    if isinstance(value, Mapping):
        return {key: filled_texts(inner, names) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [filled_texts(inner, names) for inner in value]
    return value


def names_of(connector: Connector) -> list[str]:
    """Every name in braces that the connector's own texts hold, sorted; `vehicle` and the tokens are always known."""
    auth = connector.auth
    texts: list[object] = [*connector.headers.values(), *auth.form.values()]
    if auth.basic:
        texts.append("{client_id}{client_secret}")
    also = [call for call in (connector.locate, connector.describe) if call is not None]
    for call in (connector.read, connector.list_vehicles, *connector.commands.values(), *also):
        texts += [call.path, *call.headers.values(), {} if callable(call.body) else call.body]
    return sorted(set(_NAME.findall(str(texts))) - {"vehicle", "token", "refresh_token"})


def registered_with(connector: Connector) -> frozenset[str]:
    """What the operator has to register with the maker before accounts can be linked."""
    consent = connector.consent
    if consent is None:
        return frozenset()
    asked = {"client_id": "{client_id}"} if consent.flow is Flow.CODE else {}
    texts = [*(asked | dict(consent.query)).values(), *(asked | dict(consent.form)).values()]
    return (frozenset(names_of(connector)) | set(_NAME.findall(str(texts)))) - _OF_THE_FLOW - set(consent.asks)
