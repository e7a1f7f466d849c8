"""The self-check: what D2EV needs of this machine and its neighbours, each finding with cause and remedy."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Literal, NamedTuple

import httpx
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from agents.feeds import config
from agents.feeds.process import keys_lacking
from agents.google import service_account
from agents.ingress.hooks import SECRET, doors
from agents.ingress.stream import source
from agents.kafka import for_librdkafka
from agents.push.phones import keys
from agents.push.webpush import public_key
from agents.settings import BadSettings, Settings, load
from deploy import topics
from deploy.brokers.silence import silence
from oem_connectors import registry
from oem_connectors.wire import hosts_of

#: Our import packages; another distribution that brings one of the same name would shadow ours.
OURS = ("agents", "deploy", "oem_connectors", "streams", "tables")
WHEELS = ("faust-streaming", "aiokafka", "confluent-kafka", "rocksdict", "pydantic", "msgspec", "numpy", "uvloop")
MOST_SKEW = timedelta(seconds=5)
_SECONDS = 3.0


class Finding(NamedTuple):
    """What one check found; `fix` is empty when all is well."""

    check: str
    level: Literal["ok", "warn", "fail"]
    detail: str
    fix: str = ""


Check = Callable[[Settings], Iterator[Finding]]


def examine(environ: Mapping[str, str] | None = None) -> list[Finding]:
    """Every finding, in the order in which things must work. Without valid settings the rest cannot be looked at."""
    found = [*_python(), *_wheels(), *_names()]
    try:
        settings = load(environ)
    except BadSettings as error:
        return [*found, Finding("settings", "fail", str(error), "mend it; `d2ev doctor --settings` lists all")]
    found.append(Finding("settings", "ok", f"valid, for {settings.env}"))
    checks: tuple[Check, ...] = (
        _broker,
        _seal_key,
        _data_dir,
        _oem_clouds,
        _feeds,
        _push,
        _phones,
        _firestore,
        _worker,
    )
    return found + [finding for check in checks for finding in check(settings)]


def _python() -> Iterator[Finding]:
    yield Finding("python", "ok", ".".join(map(str, sys.version_info[:3])))


def _wheels() -> Iterator[Finding]:
    have: list[str] = []
    for wheel in WHEELS:
        try:
            have.append(f"{wheel} {version(wheel)}")
        except PackageNotFoundError:
            level: Literal["warn", "fail"] = "warn" if wheel == "uvloop" else "fail"
            yield Finding("wheels", level, f"{wheel} is missing", "run `make setup`")
    if len(have) == len(WHEELS):
        yield Finding("wheels", "ok", ", ".join(have))


def _names() -> Iterator[Finding]:
    """PyTables is called `tables` and another project `agents`: neither may share our environment."""
    installed = packages_distributions()
    strangers = {name: set(installed.get(name, ())) - {"d2ev"} for name in OURS}
    taken = [f"{name} also comes from {', '.join(sorted(by))}" for name, by in strangers.items() if by]
    if taken:
        yield Finding("names", "fail", "; ".join(taken), "uninstall it, or `make clean setup`")
    else:
        yield Finding("names", "ok", "no other package shadows ours")


def _broker(settings: Settings) -> Iterator[Finding]:
    admin = AdminClient({**for_librdkafka(settings), "log_level": 0, "error_cb": lambda _: None})
    try:
        found = admin.list_topics(timeout=_SECONDS)
    except KafkaException:
        yield Finding("kafka", "fail", *silence(settings))
        return
    way = f"{settings.kafka_protocol}, as {settings.kafka_user or 'nobody in particular'}"
    told = f"{len(found.brokers)} brokers, cluster {found.cluster_id}, at {settings.bootstrap} by {way}"
    yield Finding("kafka", "ok", told)
    if len(found.brokers) < settings.replication:
        yield Finding(
            "kafka", "fail", f"{settings.replication} replicas are wanted of {len(found.brokers)} brokers",
            "add brokers or lower D2EV_REPLICATION",
        )  # fmt: skip
    try:
        topics.check(settings)
    except topics.TopicsDiffer as error:
        yield Finding("topics", "fail", str(error), "run `d2ev topics apply`, or set D2EV_PARTITIONS as it was")
    else:
        yield Finding("topics", "ok", f"all there, {settings.partitions} partitions each")


def _seal_key(settings: Settings) -> Iterator[Finding]:
    fix = "set D2EV_SEAL_KEY to the base64 of 32 random bytes: `head -c 32 /dev/urandom | base64`"
    if settings.seal_key is None:
        yield Finding("seal key", "warn", "none is set; the one of development protects nothing", fix)
    elif settings.seal_keys_retired:
        yield Finding(
            "seal key", "warn", f"set, and {len(settings.seal_keys_retired)} retired ones still open",
            "once all workers run with this key and d2ev_data_keys_not_current is 0, unset D2EV_SEAL_KEYS_RETIRED",
        )  # fmt: skip
    else:
        yield Finding("seal key", "ok", "set, 32 bytes")


def _data_dir(settings: Settings) -> Iterator[Finding]:
    home = settings.data_dir.absolute()
    there = next(path for path in (home, *home.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there):
            pass
    except OSError as error:
        yield Finding(
            "data dir", "fail", f"cannot write in {there}: {error.strerror}", "set D2EV_DATA_DIR to a folder of ours"
        )
    else:
        yield Finding("data dir", "ok", f"{home} is writable" if there == home else f"{home} can be made")


def _feeds(settings: Settings) -> Iterator[Finding]:
    """Nothing where no file names feeds: prices and carbon then come from somebody else."""
    if not settings.feeds_file.exists():
        return
    try:
        feeds = config.read(settings.feeds_file)
    except config.BadFeeds as error:
        yield Finding("feeds", "fail", str(error), "mend the file; docs/feeds.md tells what it may say")
        return
    lacking = {feed.name: keys_lacking(settings, feed) for feed in feeds}
    for name, lacks in lacking.items():
        if lacks:
            yield Finding("feeds", "fail", f"{name} lacks {', '.join(lacks)}", "put it into D2EV_FEED_KEYS")
    if not any(lacking.values()):
        yield Finding("feeds", "ok", f"{', '.join(lacking)}, every key there")


def _oem_clouds(settings: Settings) -> Iterator[Finding]:
    try:
        connectors = registry.load()
    except registry.RegistryError as error:
        yield Finding("oem", "fail", str(error), "mend or remove the connector")
        return
    given = {name.partition(".")[0] for name in settings.oem_urls} | set(settings.oem_apps)
    for unknown in sorted(given - set(connectors)):
        known = ", ".join(connectors)
        yield Finding(
            "oem", "fail", f"no connector {unknown!r}; there are {known}", "mend D2EV_OEM_URLS or D2EV_OEM_APPS"
        )
    for name in sorted(given & set(connectors) | {"simulator"}):
        yield from _cloud(name, hosts_of(connectors[name], settings.oem_urls)["api"], given=name in given)


def _push(settings: Settings) -> Iterator[Finding]:
    """Makers that could tell by themselves, and whether they are let."""
    try:
        connectors = registry.load()
    except registry.RegistryError:
        return  # told already
    for name in sorted(set(settings.oem_apps) & set(connectors)):
        if connectors[name].hook is not None and name not in doors(connectors, settings.oem_apps):
            yield Finding(
                f"oem {name}", "warn", f"no {SECRET}: an ingress answers its deliveries with 404",
                f"put {SECRET} into D2EV_OEM_APPS, or let the cars be read only",
            )  # fmt: skip
    for name, address in sorted(settings.oem_streams.items()):
        try:
            source(connectors, name, address)
        except ValueError as error:
            yield Finding(f"oem {name}", "fail", str(error), "mend D2EV_OEM_STREAMS")


def _phones(settings: Settings) -> Iterator[Finding]:
    """Where a worker would push to."""
    try:
        account, key = keys(settings)
    except BadSettings as error:
        yield Finding("push", "fail", str(error), "docs/push.md tells how to set it up")
        return
    if account is not None:
        yield Finding("push", "ok", f"phones are told by FCM, project {account.project_id}")
    if key is not None:
        yield Finding("push", "ok", f"browsers are told by Web Push, key {public_key(key)}")
    if account is None and key is None:
        yield Finding("push", "ok", "no way is set up: drivers are told in the app")


def _firestore(settings: Settings) -> Iterator[Finding]:
    """Where a bridge would write."""
    if settings.firestore is None:
        return
    try:
        account = service_account(settings.firestore)
    except ValueError as error:
        yield Finding(
            "firestore", "fail", str(error), "put the text of the service account's key file into D2EV_FIRESTORE"
        )
    else:
        yield Finding("firestore", "ok", f"statuses go to {settings.firestore_collection} of {account.project_id}")


def _cloud(name: str, url: str, *, given: bool) -> Iterator[Finding]:
    """Any answer will do: it proves the address, and its Date tells how our clock stands."""
    check = f"oem {name}"
    try:
        answer = httpx.get(url, timeout=_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fix = "start it with `d2ev simulator`, or " if name == "simulator" else ""
        yield Finding(
            check, "fail" if given else "warn", f"{url} does not answer: {type(error).__name__}",
            f"{fix}set D2EV_OEM_URLS",
        )  # fmt: skip
        return
    yield Finding(check, "ok", f"{url} answers")
    if "date" in answer.headers:
        skew = abs(datetime.now(UTC) - parsedate_to_datetime(answer.headers["date"]))
        if skew > MOST_SKEW:
            detail = f"this host and {url} differ by {skew.total_seconds():.0f} s"
            yield Finding("clock", "warn", detail, "let NTP set this host's clock")


def _worker(settings: Settings) -> Iterator[Finding]:
    url = f"http://127.0.0.1:{settings.health_port}/readyz"
    try:
        answer = httpx.get(url, timeout=_SECONDS)
    except httpx.HTTPError:
        yield Finding("worker", "warn", f"no worker answers at {url}", "start one with `d2ev worker`")
        return
    if answer.is_success:
        yield Finding("worker", "ok", f"ready, at {url}")
    else:
        yield Finding("worker", "warn", f"not ready, at {url}", "look at its log; restoring tables takes time")
