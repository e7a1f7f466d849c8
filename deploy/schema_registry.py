"""A schema registry with Confluent's REST interface (Confluent's own, Karapace, Apicurio and others), as we use it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import httpx

from agents.issuer import Issuer
from agents.settings import BadSettings, Settings

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
TIMEOUT_SECONDS = 20.0
SUBJECT_UNKNOWN, VERSION_UNKNOWN, SCHEMA_UNKNOWN, NO_LEVEL_OF_ITS_OWN = 40401, 40402, 40403, 40408
#: What the registry will not have, in its own words: incompatible, not a schema to it, or its subject is frozen.
REFUSALS = (409, 422)


class RegistryTrouble(Exception):
    """The registry does not answer as it should; the message is one line."""


class Refused(Exception):
    """The registry will not have this schema; the message is its own."""


class SchemaRegistry:
    """One registry. Blocking: it is asked by commands only."""

    def __init__(self, url: str, http: httpx.Client) -> None:
        self.url = url.rstrip("/")
        self._http = http

    def version_of(self, subject: str, schema: str) -> int | None:
        """Under which version the subject has this schema; None when it has not."""
        found = self._asked("POST", f"/subjects/{subject}", _body(schema), (SUBJECT_UNKNOWN, SCHEMA_UNKNOWN))
        return None if found is None else int(found["version"])

    def latest(self, subject: str) -> int | None:
        """The newest version of the subject; None when there is no such subject."""
        found = self._asked("GET", f"/subjects/{subject}/versions/latest", None, (SUBJECT_UNKNOWN, VERSION_UNKNOWN))
        return None if found is None else int(found["version"])

    def register(self, subject: str, schema: str) -> None:
        """Add a version. Raises Refused."""
        self._asked("POST", f"/subjects/{subject}/versions", _body(schema))

    def judge(self, subject: str, schema: str) -> None:
        """Raises Refused when the schema does not go with the versions that are there; changes nothing."""
        path = f"/compatibility/subjects/{subject}/versions?verbose=true"
        verdict = self._asked("POST", path, _body(schema), (SUBJECT_UNKNOWN, VERSION_UNKNOWN))
        if verdict is not None and not verdict["is_compatible"]:
            raise Refused("; ".join(verdict.get("messages") or ["incompatible"]))

    def level(self, subject: str) -> str | None:
        """The compatibility level set for this subject; None when the registry's own holds."""
        found = self._asked("GET", f"/config/{subject}", None, (SUBJECT_UNKNOWN, NO_LEVEL_OF_ITS_OWN))
        return None if found is None else str(found["compatibilityLevel"])

    def set_level(self, subject: str, level: str) -> None:
        """Judge this subject's next versions by `level`. Raises Refused."""
        self._asked("PUT", f"/config/{subject}", {"compatibility": level})

    def _asked(
        self, method: str, path: str, body: Mapping[str, str] | None, absent: tuple[int, ...] = ()
    ) -> dict[str, Any] | None:
        try:
            answer = self._http.request(method, self.url + path, content=None if body is None else json.dumps(body))
        except httpx.HTTPError as error:
            raise RegistryTrouble(f"no schema registry answers at {self.url}: {error}") from None
        said = _object(answer)
        if answer.is_success and said is not None:
            return said
        if answer.status_code == 404 and said is not None and said.get("error_code") in absent:
            return None
        words = " ".join(str((said or {}).get("message") or answer.reason_phrase).split())
        if answer.status_code in REFUSALS:
            raise Refused(words)
        if answer.status_code in {401, 403}:
            raise RegistryTrouble(f"{self.url} refuses us: {words}; see the settings D2EV_SCHEMA_REGISTRY_…")
        where = path.partition("?")[0]
        raise RegistryTrouble(f"{self.url} answered {method} {where} with {answer.status_code}: {words}")


def client(url: str, settings: Settings) -> httpx.Client:
    """What speaks to the registry at `url`, with our login. Raises BadSettings where that would travel in clear."""
    if not Issuer.safe(url) or (settings.env == "production" and not url.startswith("https://")):
        raise BadSettings(f"--registry {url}: give an https address; http is for this machine only, outside production")
    return httpx.Client(
        headers={"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE, **_login(settings)}, timeout=TIMEOUT_SECONDS
    )


def _login(settings: Settings) -> Mapping[str, str]:
    user, password = settings.schema_registry_user, settings.schema_registry_password
    token = settings.schema_registry_token
    if (user is None) != (password is None) or (user is not None and token is not None):
        raise BadSettings("D2EV_SCHEMA_REGISTRY_USER: give it with its password, or D2EV_SCHEMA_REGISTRY_TOKEN alone")
    if token is not None:
        return {"Authorization": f"Bearer {token.get_secret_value()}"}
    if user is None or password is None:
        return {}
    both = f"{user}:{password.get_secret_value()}".encode()
    return {"Authorization": f"Basic {b64encode(both).decode()}"}


def _body(schema: str) -> Mapping[str, str]:
    return {"schemaType": "JSON", "schema": schema}


def _object(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        said = answer.json()
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
