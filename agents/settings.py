"""One typed settings object from D2EV_* variables. An unknown name or a bad value stops the start, in one line."""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from agents.issuer import Issuer
from agents.kafka import KafkaAccess
from agents.production import shortcuts
from agents.sealing import KEY_BYTES, Sealer, development_key

PREFIX = "D2EV_"
#: Read by the test suites, not by the product.
FOREIGN = ("D2EV_TEST_", "D2EV_REQUIRE_")

#: The push services of today's browsers.
PUSH_HOSTS = (
    "fcm.googleapis.com",
    "web.push.apple.com",
    ".push.apple.com",
    "updates.push.services.mozilla.com",
    ".push.services.mozilla.com",
    ".notify.windows.com",
)


class BadSettings(ValueError):
    """The settings cannot be used; the message says which, and how to mend it."""


class Settings(BaseSettings, KafkaAccess):
    """How a D2EV process runs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", hide_input_in_errors=True, frozen=True)

    env: Literal["demo", "development", "production"] = Field("development", description="production refuses shortcuts")
    app_id: str = Field("d2ev", pattern=r"^[a-z0-9-]+$", description="consumer group and prefix of the changelogs")
    partitions: int = Field(6, ge=1, le=1000, description="partitions of every topic; the same for all")
    replication: int = Field(1, ge=1, le=9, description="replicas of every topic; production needs 3")
    data_dir: Path = Field(Path("data"), description="where the tables live on this machine")
    listen: str = Field(
        "127.0.0.1", pattern=r"^[0-9a-f.:]+$", description="IP address that all ports are on; the image sets its own"
    )
    health_port: int = Field(8099, ge=0, le=65535, description="health and metrics; 0 picks a free port")
    clock: Literal["system", "log"] = Field("system", description="log: time moves only with ticks from outside")
    fetch_wait_ms: int = Field(200, ge=1, le=5000, description="how long an idle broker holds a fetch open")
    commit_interval_seconds: float = Field(1.0, gt=0, le=60, description="how often offsets are committed")
    session_timeout_seconds: float = Field(10.0, ge=2, le=300, description="a silent worker loses its partitions")
    standby_replicas: int = Field(0, ge=0, le=3, description="warm copies of every table on other workers")
    seal_key: SecretStr | None = Field(None, description="base64 of 32 random bytes; required in production")
    seal_keys_retired: tuple[SecretStr, ...] = Field(
        (), description="former seal keys, JSON list: what they sealed can still be opened and is sealed anew"
    )
    pseudonym_key: SecretStr | None = Field(
        None, min_length=16, description="pseudonyms of analysts follow from it; by default from the seal key"
    )
    queries_port: int = Field(8097, ge=0, le=65535, description="`d2ev queries` for analysts; 0 picks a free port")
    queries_url: str | None = Field(
        None, description="https address under which tools reach `d2ev queries`; by default this machine's own"
    )
    schema_registry_user: str | None = Field(None, min_length=1, description="login of `d2ev schemas` at the registry")
    schema_registry_password: SecretStr | None = Field(None, min_length=1, description="its password")
    schema_registry_token: SecretStr | None = Field(None, min_length=1, description="or a bearer token")
    query_keys: dict[str, str] = Field(
        default_factory=dict,
        description='who may ask `d2ev queries`, JSON: {"NAME": "sha256 of the key"}; `--new-key` makes one',
    )
    oem_urls: dict[str, str] = Field(
        default_factory=dict,
        description='other addresses by OEM, JSON: {"simulator": "http://…"}; {"tesla.proxy": …} for one host',
    )
    oem_apps: dict[str, dict[str, SecretStr]] = Field(
        default_factory=dict,
        description='what is registered with the OEMs, JSON: {"volvo": {"client_id": "…", "client_secret": "…"}}',
    )
    feeds_file: Path = Field(Path("feeds.toml"), description="which prices and carbon `d2ev feeds` asks for, TOML")
    feed_keys: dict[str, dict[str, SecretStr]] = Field(
        default_factory=dict,
        description='keys of sources, JSON: {"entsoe": {"api_key": "…"}}; {"tibber.NAME": …} for one feed',
    )
    feed_urls: dict[str, str] = Field(
        default_factory=dict, description='other addresses by source, JSON: {"octopus": "https://…"}'
    )
    oem_streams: dict[str, str] = Field(
        default_factory=dict,
        description='Kafka of OEMs that stream, and the prefix of its topics, JSON: {"tesla": "host:port/prefix"}',
    )
    ingress_port: int = Field(8090, ge=0, le=65535, description="deliveries of OEMs; 0 picks a free port")
    issuers: tuple[Issuer, ...] = Field(
        (), description='who signs drivers in, JSON: [{"issuer": "https://…", "audience": "…"}]'
    )
    api_port: int = Field(8095, ge=0, le=65535, description="the drivers' API and page; 0 picks a free port")
    api_url: str | None = Field(
        None, description="https address under which drivers reach `d2ev api`; by default this machine's own"
    )
    api_proxies: int = Field(0, ge=0, le=5, description="proxies of yours before `d2ev api`, which add X-Forwarded-For")
    firestore: SecretStr | None = Field(
        None, description="JSON of a service account's key file: `d2ev bridge` writes statuses to its Firestore"
    )
    firestore_url: str = Field("https://firestore.googleapis.com", description="or the address of a stand-in")
    firestore_database: str = Field("(default)", pattern=r"^[a-z0-9()-]{1,63}$", description="database in the project")
    firestore_collection: str = Field(
        "d2ev-status",
        pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+)*$",
        description="collection of the statuses, one document per car; how far they are is beside it, in …-log",
    )
    firestore_hook: dict[str, str] = Field(
        default_factory=dict,
        description='whose events of documents are taken, JSON: {"audience": "https://…", "email": "…"}',
    )
    bridge_port: int = Field(8091, ge=0, le=65535, description="events of Firestore; 0 picks a free port")
    fcm_key: SecretStr | None = Field(
        None, description="the service account's key file (JSON text), for pushes to phones"
    )
    fcm_url: str | None = Field(None, description="a stand-in for FCM")
    fcm_target: Literal["token", "fid"] = Field("token", description="apps register FCM tokens, or installation ids")
    vapid_key: SecretStr | None = Field(None, description="for pushes to browsers; `d2ev push-key` makes one")
    vapid_contact: str | None = Field(
        None, pattern=r"^(mailto:|https://)\S+$", description="whom push services may ask: mailto: or https:"
    )
    push_hosts: tuple[str, ...] = Field(
        PUSH_HOSTS, description="hosts of Web Push services, JSON list; a leading dot stands for all below it"
    )
    poll_grid_seconds: int = Field(1, ge=1, le=3600, description="reads fall on multiples of this")
    edge_spread_seconds: int = Field(600, ge=0, le=1800, description="random delay at slot edges, per car and session")
    starts_per_second: float = Field(
        250, gt=0, le=100_000, description="most planned starts in a second, over the whole fleet"
    )
    held_file: Path = Field(Path("data/held.json"), description="where the guardian keeps its copy of the held cars")
    releases_per_minute: int = Field(600, ge=1, le=100_000, description="most cars a guardian starts in a minute")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    @field_validator("issuers")
    @classmethod
    def _apart(cls, value: tuple[Issuer, ...]) -> tuple[Issuer, ...]:
        if len({issuer.prefix for issuer in value}) < len(value) or len({one.issuer for one in value}) < len(value):
            raise ValueError("two issuers need a prefix that tells their drivers apart")
        return value

    @field_validator("api_url", "queries_url")
    @classmethod
    def _reachable(cls, value: str | None) -> str | None:
        if value is None:
            return None
        # As browsers write it: it is compared with what they send.
        value = value.lower().removesuffix("/")
        value = value.removesuffix(":443" if value.startswith("https:") else "")
        parts = urlsplit(value) if Issuer.safe(value) else None
        if parts is None or value != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
            raise ValueError("give an https address without a path; http is for this machine only")
        return value

    @field_validator("oem_urls", "feed_urls")
    @classmethod
    def _encrypted(cls, value: dict[str, str]) -> dict[str, str]:
        for name, url in value.items():
            if not Issuer.safe(url):
                raise ValueError(f"{name}: give an https address; http is for this machine only")
        return value

    @field_validator("firestore_url", "fcm_url")
    @classmethod
    def _safe(cls, value: str | None) -> str | None:
        if value is not None and not Issuer.safe(value):
            raise ValueError("give an https address; http is for this machine only")
        return value

    @field_validator("firestore_hook")
    @classmethod
    def _hook(cls, value: dict[str, str]) -> dict[str, str]:
        if value and not {"audience", "email"} <= value.keys() <= {"audience", "email", "issuer"}:
            raise ValueError("give audience and email")
        return value

    @field_validator("oem_streams")
    @classmethod
    def _streams(cls, value: dict[str, str]) -> dict[str, str]:
        for name, address in value.items():
            bootstrap, _, prefix = address.partition("/")
            if not prefix or not bootstrap.rpartition(":")[2].isdigit():
                raise ValueError(f"{name}: give host:port/prefix")
        return value

    @field_validator("seal_key")
    @classmethod
    def _key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _refuse_bad_key(value)
        return value

    @field_validator("seal_keys_retired")
    @classmethod
    def _keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in value:
            _refuse_bad_key(key)
        return value

    @property
    def poll_grid(self) -> timedelta:
        return timedelta(seconds=self.poll_grid_seconds)

    def seal_key_bytes(self) -> bytes:
        """The seal key. Outside production an absent key is derived from the app id, so that a demo needs none."""
        if self.seal_key is None:
            return development_key(self.app_id)
        return b64decode(self.seal_key.get_secret_value())

    def sealer(self) -> Sealer:
        """What seals with the seal key, and opens what it or a retired one has sealed."""
        return Sealer(self.seal_key_bytes(), [b64decode(key.get_secret_value()) for key in self.seal_keys_retired])


def _refuse_bad_key(key: SecretStr) -> None:
    try:
        length = len(b64decode(key.get_secret_value(), validate=True))
    except ValueError:
        length = 0
    if length != KEY_BYTES:
        raise ValueError(f"give base64 of {KEY_BYTES} random bytes, for example: openssl rand -base64 32")


def load(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from the environment. Raises BadSettings with one line naming the setting and the remedy."""
    names = os.environ if environ is None else environ
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(names):
        if name.upper().startswith(PREFIX) and name.upper() not in known and not name.startswith(FOREIGN):
            raise BadSettings(f"{name}: no such setting;{_meant(name, known)} `d2ev doctor --settings` lists them")
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except SettingsError as error:
        field = str(error).split('"')[1] if '"' in str(error) else ""
        raise BadSettings(f"{PREFIX}{field.upper()}: is not the JSON it should be") from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = PREFIX + ".".join(str(part) for part in first["loc"]).upper()
        raise BadSettings(f"{where}: {first['msg']}") from None
    for name, problem in shortcuts(settings) if settings.env == "production" else ():
        raise BadSettings(f"{name}: {problem}")
    return settings


def _meant(name: str, known: Iterable[str]) -> str:
    """A word on the nearest setting, if one is near."""
    near = get_close_matches(name.upper(), known, 1, 0.85)
    return f" is it {near[0]}?" if near else ""
