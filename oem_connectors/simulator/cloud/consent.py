"""The page on which a driver of the cloud agrees: OAuth 2.0 with PKCE, without a password, on this machine only."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from html import escape
from typing import Final
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from oem_connectors.simulator.cloud.chance import digest
from oem_connectors.simulator.cloud.world import World

Asked = Mapping[str, str]
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})
_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


class ConsentPage:
    """One page of a cloud; `brings(account, asked)` is what the redirect says of a driver who agrees: a code, if None.

    The names in `needs` must be in the page's address.
    """

    def __init__(
        self,
        world: World,
        brings: Callable[[str, Asked], Mapping[str, str]] | None = None,
        needs: tuple[str, ...] = ("redirect_uri", "state", "client_id"),
    ) -> None:
        self._world = world
        self._brings = brings or self._code
        self._needs = needs
        self._codes: dict[str, tuple[str, Asked]] = {}
        self._given = 0

    def routes(self, path: str) -> list[web.RouteDef]:
        """The page, and its form."""
        return [web.get(path, self._show), web.post(path, self._decide)]

    def account(self, form: Asked) -> str | None:
        """Whose code it is that is to be exchanged; a code is good once, and for whoever asked for it."""
        account, asked = self._codes.pop(form.get("code", ""), (None, {}))
        proof = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        same = all(asked.get(name) == form.get(name) for name in ("redirect_uri", "client_id"))
        return account if same and asked.get("code_challenge", proof) == proof else None

    def _code(self, account: str, asked: Asked) -> Mapping[str, str]:
        self._given += 1
        code = "code-" + digest(self._world.seed, "code", account, self._given)
        self._codes[code] = account, asked
        return {"code": code}

    async def _show(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        accounts = sorted({truth.car.account for truth in self._world.cars.values()})
        trouble = self._trouble(asked)
        return _page(_form(accounts, asked)) if trouble is None else _page(trouble, 400)

    async def _decide(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        form = {name: str(value) for name, value in (await request.post()).items()}
        trouble = self._trouble(asked)
        if trouble is None and not self._world.of(form.get("account", "")):
            trouble = "There is no such account."
        if trouble is not None:
            return _page(trouble, 400)
        agreed = form.get("answer") == "allow"
        told = dict(self._brings(form["account"], asked)) if agreed else {"error": "access_denied"}
        told |= {"state": asked["state"]} if "state" in asked else {}
        return web.Response(status=303, headers={**_HEADERS, "Location": f"{asked['redirect_uri']}?{urlencode(told)}"})

    def _trouble(self, asked: Asked) -> str | None:
        missing = [name for name in self._needs if not asked.get(name)]
        if missing:
            return f"Missing: {', '.join(missing)}."
        back = urlsplit(asked["redirect_uri"]).hostname
        return None if back in _LOOPBACK else "The way back is for this machine only."


def _form(accounts: list[str], asked: Asked) -> str:
    choices = "".join(f"<option>{escape(account)}</option>" for account in accounts)
    return (
        f'<form method="post" action="?{escape(urlencode(asked))}">'
        "<p>D2EV asks to see your cars and to charge them.</p>"
        f'<p><label>Account <select name="account">{choices}</select></label></p>'
        '<p><button name="answer" value="allow">Allow</button> <button name="answer" value="deny">Deny</button></p>'
        "</form>"
    )


def _page(body: str, status: int = 200) -> web.Response:
    text = (
        '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">'
        '<link rel="icon" href="data:,">'
        f"<title>Your car maker</title><h1>Your car maker</h1>{body}</html>"
    )
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)
