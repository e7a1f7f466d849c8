"""What became of an evening under faults: effects by the simulator's log, pushes by the phones, losses by the topics.

Nothing here asks a worker what it did.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from agents.commands import SENDER_DIED
from agents.push import MUST_ARRIVE
from deploy.demo.accounts import promise
from deploy.demo.night import Night
from deploy.demo.world import metered_stays
from deploy.reading import Reader
from oem_connectors.simulator.cloud.car import NO_SCHEDULE, Personality
from oem_connectors.simulator.cloud.log import Log
from streams import serde
from streams.contracts.account import Link
from streams.contracts.base import account_of
from streams.contracts.command import FINAL, Action, CommandEvent
from streams.contracts.notification import NotificationPhase
from streams.contracts.session import Promise
from streams.domain.vehicle import sample_time
from streams.topics import ACCOUNT, COMMAND, NOTIFICATION, TELEMETRY, VEHICLE, Topic
from tests.faults.evening import Evening

#: Messages by topic name.
Topics = dict[str, list[Any]]
#: A command intended so shortly before the end may still be under way then.
UNFINISHED_FOR: Final = timedelta(minutes=40)


@dataclass(frozen=True)
class Verdict:
    """Counts, and the offenders by name. All but the first three must be empty."""

    effective: int
    #: Accounts whose refresh token died with the worker that had just spent it: they need the driver's consent.
    consent_needed: tuple[str, ...]
    #: Not ready for the reason in docs/fail-safe.md: no schedule in the car, and start upon start died half-way.
    unlucky: tuple[str, ...]
    #: Those of them whose maker gives a lost answer once more, for a while.
    unforgiven: tuple[str, ...]
    effective_twice: tuple[str, ...]
    #: Effective, though a newer plan had been effective before.
    outdated: tuple[str, ...]
    #: Honest cars that were not ready though they could have been.
    missed: tuple[str, ...]
    #: Accounts that are dead at the OEM and linked in our books, or the other way round.
    misjudged_accounts: tuple[str, ...]
    shown_twice: tuple[str, ...]
    #: Pushes and commands that were decided and never came to an end.
    unfinished: tuple[str, ...]
    #: Records that no stage processed, and cars whose newest reading is not in their state.
    lost: tuple[str, ...]

    def complaints(self) -> list[str]:
        """Everything that must not be, a line each."""
        wrong = [(field.name, getattr(self, field.name)) for field in fields(self)[3:]]
        return [f"{name}: {len(found)}: {', '.join(found[:5])}" for name, found in wrong if found]


def judge(night: Evening) -> Verdict:
    """The verdict on an evening that is over, while its broker still runs."""
    log, topics = night.world.log, read(night, (ACCOUNT, COMMAND, NOTIFICATION, TELEMETRY, VEHICLE))
    night.world.settle(night.window.end)
    late = missed(night, topics)
    unlucky = {car for car in late if starts_died(night, topics, car)}
    dead = {account: family for account, family in night.world.tokens._live.items() if family.revoked}
    return Verdict(
        effective=len(log.effective()),
        consent_needed=tuple(sorted(dead)),
        unlucky=tuple(late[car] for car in sorted(unlucky)),
        unforgiven=tuple(sorted(account for account, family in dead.items() if family.terms.grace)),
        effective_twice=tuple(f"{c.car} {c.what} {c.cause.command_id}" for c in log.duplicate_effective()),
        outdated=tuple(outdated(log)),
        missed=tuple(late[car] for car in sorted(late.keys() - unlucky)),
        misjudged_accounts=tuple(sorted(dead.keys() ^ unlinked(topics))),
        shown_twice=tuple(shown_twice(night.workers.phones)),
        unfinished=(
            *unfinished_commands(topics, night.window.end - UNFINISHED_FOR),
            *unfinished_pushes(topics),
        ),
        lost=(*unprocessed(night), *unfolded(topics)),
    )


def outdated(log: Log) -> Iterator[str]:
    """Effective switches that served an older plan than one before them in the same stay."""
    newest: dict[tuple[str, int], int] = {}
    for change in log.effective():
        revision = int(change.cause.plan.split("/")[1])
        stay = change.car, change.stay
        if revision < newest.get(stay, revision):
            yield f"{change.car} {change.what} by plan {revision} after {newest[stay]}"
        newest[stay] = max(revision, newest.get(stay, revision))


def missed(night: Evening, topics: Topics) -> dict[str, str]:
    """Honest cars below their target at ready-by, though charging since the plug-in would have filled them."""
    late = {}
    for stay in metered_stays(night.world, night.fleet, night.window):
        if promise(stay) is Promise.MISSED and night.world.cars[stay.car].car.personality is Personality.NORMAL:
            without = account_of(stay.car) in {a for a, f in night.world.tokens._live.items() if f.revoked}
            asked = ", ".join(
                f"{event.action} {event.phase} {event.at:%H:%M}"
                for event in topics[COMMAND.name]
                if event.car == stay.car
            )
            late[stay.car] = (
                f"{stay.car} ({stay.soc_at_ready_pct:.1f} %{', without consent' if without else ''}; {asked})"
            )
    return late


def starts_died(night: Evening, topics: Topics, car: str) -> bool:
    """Was a car without a schedule of its own asked to start, twice or more, by workers that died before the answer?"""
    died = [
        event
        for event in topics[COMMAND.name]
        if event.car == car and event.action is Action.START and event.detail == SENDER_DIED
    ]
    return len(died) > 1 and night.world.cars[car].car.model.endswith(NO_SCHEDULE)


def shown_twice(phones: Path) -> Iterator[str]:
    """Pushes that a phone showed more than once, but for those of which a repeat is better than silence."""
    shown = Counter(phones.read_text().splitlines()) if phones.exists() else Counter[str]()
    for line, times in shown.items():
        if times > 1 and line.split()[0] not in {kind.value for kind in MUST_ARRIVE}:
            yield line


def unprocessed(night: Evening) -> Iterator[str]:
    """Partitions that some worker has not read to the end, dead letters, and a ledger that does not add up."""
    events: Counter[str] = Counter()
    done: Counter[str] = Counter()
    for status in night.statuses:
        for counts in status["ledger"].values():
            events.update(counts)
        done |= Counter(status["positions"])
    yield from (f"{place}: {end - done[place]} records" for place, end in night.quiet.ends.items() if done[place] < end)
    if events["dead_letters"] or night.watch.dead_letters:
        yield f"{max(night.watch.dead_letters, events['dead_letters'])} dead letters"
    if events["in"] != events["out"] + events["filtered"] + events["dead_letters"]:
        yield f"in is not out + filtered + dead letters: {dict(events)}"


def unlinked(topics: Topics) -> set[str]:
    """Accounts that our own topic says need the driver's consent."""
    newest = {state.account: state.link for state in topics[ACCOUNT.name]}
    return {account for account, link in newest.items() if link is Link.NEEDS_CONSENT}


def unfinished_commands(topics: Topics, before: datetime) -> Iterator[str]:
    """Cars whose newest command was decided before an instant and has no last word."""
    newest: dict[str, CommandEvent] = {}
    ended = {event.id for event in topics[COMMAND.name] if event.phase in FINAL}
    for event in topics[COMMAND.name]:
        known = newest.get(event.car)
        if known is None or event.decided_at >= known.decided_at:
            newest[event.car] = event
    yield from (
        f"{event.car} {event.action} {event.phase} since {event.at:%H:%M}"
        for event in newest.values()
        if event.id not in ended and event.decided_at < before
    )


def unfinished_pushes(topics: Topics) -> Iterator[str]:
    """Pushes that were intended, and of which nobody said whether they were shown."""
    phases: defaultdict[str, set[NotificationPhase]] = defaultdict(set)
    for event in topics[NOTIFICATION.name]:
        phases[f"{event.car} {event.kind} {event.id}"].add(event.phase)
    yield from (push for push, seen in phases.items() if seen == {NotificationPhase.INTENT})


def unfolded(topics: Topics) -> Iterator[str]:
    """Cars whose state does not know the newest reading on the log."""
    newest: dict[str, datetime] = {}
    for reading in topics[TELEMETRY.name]:
        newest[reading.car] = max(newest.get(reading.car, datetime.min.replace(tzinfo=UTC)), sample_time(reading))
    folded = {state.car: state.car_time for state in topics[VEHICLE.name]}
    yield from (f"{car}: state of {folded.get(car)}, read {at}" for car, at in newest.items() if folded.get(car) != at)


def read(night: Night, topics: Sequence[Topic]) -> Topics:
    """Everything on these topics, decoded, in order per partition."""
    found: Topics = {topic.name: [] for topic in topics}
    places = [(topic, partition) for topic in topics for partition in range(night.options.partitions)]
    with Reader(night.settings) as reader:
        for entry in reader.read(places):
            if entry.value is not None:
                found[entry.topic.name].append(serde.decode(entry.topic.name, entry.value))
    return found
