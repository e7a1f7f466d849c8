"""Whatever happens to a car over days: a change is told once, a failure at once, and nothing else at night."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streams.contracts.driver_status import DriverStatus, StatusReason
from streams.contracts.notification import NotificationEvent, NotificationKind
from streams.contracts.telemetry import Charge, Plug
from streams.domain.notify import MOVED, Ledger, ask_again, is_quiet, notices
from tests.night import CAR, PLUGGED

R, K = StatusReason, NotificationKind
HOME: Final = "Europe/London"
WAITS: Final = {K.PLAN_MOVED, K.DONE, K.STOOD_DOWN}
TROUBLES: Final = {R.CANNOT_CONTROL: K.CANNOT_CONTROL, R.AT_RISK: K.AT_RISK}


class Days(RuleBasedStateMachine):
    """A car that lives, a stage that is asked after every change and when the quiet hours end, and a phone."""

    @initialize()
    def begin(self) -> None:
        self.now: datetime = PLUGGED
        self.session, self.sessions_settled = 0, 0
        self.start: datetime | None = None
        self.lost, self.boost = False, False
        self.trouble: StatusReason | None = None
        self.ledger: Ledger | None = None
        self.due: datetime | None = None
        self.shown: list[tuple[datetime, NotificationEvent]] = []
        #: What must have been told, and how often.
        self.owed: Counter[tuple[NotificationKind, int]] = Counter()
        self.believed: datetime | None = None

    # What happens

    @precondition(lambda self: self.session % 2 == 0)
    @rule(hours=st.integers(0, 12))
    def plugs_in(self, hours: int) -> None:
        self.session, self.start = self.session + 1, self.now + timedelta(hours=hours)
        self.tell()

    @precondition(lambda self: self.session % 2 == 1)
    @rule()
    def leaves(self) -> None:
        self.session, self.sessions_settled = self.session + 1, self.session
        self.start, self.trouble, self.boost, self.believed = None, None, False, None
        self.tell()

    @precondition(lambda self: self.waiting)
    @rule(minutes=st.sampled_from([-300, -60, -31, -30, -5, 5, 30, 31, 60, 300]))
    def is_planned_anew(self, minutes: int) -> None:
        self.start = (self.start or self.now) + timedelta(minutes=minutes)
        self.tell()

    @rule()
    def link_breaks(self) -> None:
        if not self.lost:
            self.owed[K.LINK_LOST, 0] += 1
        self.lost = True
        self.tell()

    @rule()
    def link_is_back(self) -> None:
        self.lost = False
        self.tell()

    @precondition(lambda self: self.session % 2 == 1 and not self.lost)
    @rule(trouble=st.sampled_from(list(TROUBLES)))
    def fails(self, trouble: StatusReason) -> None:
        self.trouble = trouble
        self.owed[TROUBLES[trouble], self.session] = max(1, self.owed[TROUBLES[trouble], self.session])
        self.tell()

    @rule()
    def recovers(self) -> None:
        self.trouble = None
        self.tell()

    @precondition(lambda self: self.session % 2 == 1)
    @rule(boost=st.booleans())
    def is_boosted(self, boost: bool) -> None:
        self.boost = boost
        self.tell()

    @rule(minutes=st.integers(1, 500))
    def time_passes(self, minutes: int) -> None:
        later = self.now + timedelta(minutes=minutes)
        while self.due is not None and self.due <= later:
            self.now = self.due
            self.tell()
        self.now = later
        self.tell()

    @rule()
    def another_worker_takes_over(self) -> None:
        if self.ledger is not None:
            self.ledger = Ledger.model_validate_json(self.ledger.model_dump_json())

    # What is told

    @property
    def waiting(self) -> bool:
        return self.reason is R.WAITING_FOR_CHEAP

    @property
    def reason(self) -> StatusReason:
        if self.lost:
            return R.LINK_LOST
        if self.session % 2 == 0 or self.start is None:
            return R.UNPLUGGED
        if self.trouble is not None:
            return self.trouble
        if self.boost:
            return R.CHARGING_BOOST
        return R.WAITING_FOR_CHEAP if self.start > self.now else R.CHARGING_AS_PLANNED

    def status(self) -> DriverStatus:
        plugged, running = self.session % 2 == 1, self.start is not None and self.start <= self.now
        facts: dict[str, Any] = {}
        if plugged:
            facts = {
                "session_id": f"s{self.session}", "plan_revision": 1, "ready_by": self.now + timedelta(hours=14),
                "next_start": None if running else self.start,
                "planned_until": self.now + timedelta(hours=1) if running or self.boost else None,
            }  # fmt: skip
        if self.sessions_settled:
            settled = {"settled_session_id": f"s{self.sessions_settled}", "charged_kwh": 9, "cost": 1, "saved": 1}
            facts |= settled
        flowing = self.reason in {R.CHARGING_AS_PLANNED, R.CHARGING_BOOST}
        return DriverStatus(
            car=CAR, driver="driver-1", reason=self.reason, sentence="The plan.", home_zone=HOME, version="v",
            plug=Plug.PLUGGED if plugged else Plug.UNPLUGGED, charge=Charge.CHARGING if flowing else Charge.IDLE,
            at=self.now, **facts,
        )  # fmt: skip

    def tell(self) -> None:
        status = self.status()
        self.ledger, events = notices(self.ledger, status, self.now)
        assert notices(self.ledger, status, self.now) == (self.ledger, ())
        self.due = ask_again(self.ledger, status, self.now)
        for event in events:
            self.shown.append((self.now, event))
            if event.kind in {K.PLUGGED_IN, K.PLAN_MOVED}:
                self.believed = self.now if status.planned_until else status.next_start
        for kind in {event.kind for event in events} & {K.BOOSTED}:
            assert self.boost, kind
        if K.PLUGGED_IN not in {event.kind for event in events} and self.believed is None and self.boost:
            self.believed = self.now  # the push of the boost stood for it

    # What must hold

    @invariant()
    def no_push_comes_twice(self) -> None:
        ids = Counter(event.id for _, event in self.shown)
        assert not [one for one, times in ids.items() if times > 1]

    @invariant()
    def once_a_session(self) -> None:
        for kind in (K.PLUGGED_IN, K.DONE):
            told = Counter(event.session_id for _, event in self.shown if event.kind is kind)
            assert not told or max(told.values()) == 1

    @invariant()
    def failures_are_told_at_once(self) -> None:
        told = Counter((event.kind, int((event.session_id or "s0")[1:])) for _, event in self.shown)
        for (kind, session), times in self.owed.items():
            if kind is K.LINK_LOST:
                assert told[kind, session] == times
            else:
                assert times <= told[kind, session] <= 3

    @invariant()
    def nights_are_quiet(self) -> None:
        assert not [event.kind for at, event in self.shown if event.kind in WAITS and is_quiet(at, HOME)]

    @invariant()
    def by_day_the_driver_knows_when_it_starts(self) -> None:
        if self.waiting and self.start is not None and not is_quiet(self.now, HOME):
            plugged = [event for _, event in self.shown if event.kind in {K.PLUGGED_IN, K.BOOSTED}]
            assert plugged
            if self.believed is not None and self.believed > self.now:
                assert abs(self.start - self.believed) <= MOVED

    @invariant()
    def by_day_a_session_is_accounted_for(self) -> None:
        if self.sessions_settled and self.ledger is not None and not is_quiet(self.now, HOME):
            assert f"s{self.sessions_settled}" in {e.session_id for _, e in self.shown if e.kind is K.DONE}


TestDays = Days.TestCase
TestDays.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
