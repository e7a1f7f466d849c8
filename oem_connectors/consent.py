"""How a driver lets us speak to the cars of an account, as data: where to send the browser and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Flow(StrEnum):
    """The ways of consent that makers know."""

    CODE = "code"  # OAuth 2.0 authorisation code, with PKCE where `pkce`
    CONNECT = "connect"  # the redirect itself names the user; there is no code to exchange
    HOSTED = "hosted"  # the maker makes a link for a user id of ours
    DEVICE = "device"  # RFC 8628: the driver types a code on the maker's page
    TOKEN = "token"  # noqa: S105 - no flow for third parties: the driver brings a refresh token of his own


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One maker's way of consent.

    `query` is added to the address, `form` to the exchange of the code; their names in braces come from the app's
    settings, and `{redirect_uri}`, `{state}`, `{code}`, `{user_id}` and `{verifier}` from the flow. `details` turns
    what came back (redirect's query and answer of the exchange, merged) into what later calls need to know; `asks`
    names what calls need and only the driver knows.
    """

    flow: Flow
    path: str = ""
    host: str = "auth"
    scopes: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    token_path: str = ""
    pkce: bool = False
    asks: tuple[str, ...] = ()
    details: Callable[[Mapping[str, str]], Mapping[str, str]] = field(default=lambda _back: {})
