"""The true state of one car. It jumps from event to event: when or how often it is asked changes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from oem_connectors.simulator.cloud.car import ON_BOARD, SimCar, Stay
from oem_connectors.simulator.cloud.chance import between
from oem_connectors.simulator.cloud.energy import Energy
from oem_connectors.simulator.cloud.habits import Habits, Reaction
from oem_connectors.simulator.cloud.log import BY_CAR, BY_DRIVER, Cause, Change, Log, Metered, What, Who
from oem_connectors.simulator.cloud.states import Mode, Reply, Sample, Timer, shown
from streams.contracts.command import Action

_UPLOAD = timedelta(minutes=30)
_ORDER = {timer: place for place, timer in enumerate(Timer)}


class Truth:
    """One car's truth since `born`; every method takes the present and first catches up with it."""

    def __init__(self, car: SimCar, log: Log, seed: int, born: datetime) -> None:
        self.car, self.limit_pct, self.mode, self.asleep = car, car.limit_pct, Mode.AWAY, False
        self._log, self._seed, self._stay = log, seed, -1
        self._pending: tuple[Action, Cause] | None = None
        self._scheduled_by = BY_DRIVER
        self._habits, self._stays, self._deeds = Habits(car), list(car.stays), list(car.driver_actions)
        self._reaction: Reaction | None = None
        soc_pct = car.stays[0].soc_at_plug_in if car.stays else 50.0
        odometer_km = between(5_000, 60_000, seed, car.key, "odometer")
        self._energy = Energy(car.battery, car.standby_kw, born, soc_pct, odometer_km)
        self._timers: dict[Timer, datetime] = {}
        self._last = self._sample(born)
        self._plan_arrival()
        self._plan_driver()
        if self._habits.uploads_rarely:
            self._timers[Timer.UPLOAD] = born + _UPLOAD * between(0, 1, seed, car.key, "upload")

    def advance(self, now: datetime) -> None:
        """Live through every event up to and including `now`."""
        while self._timers:
            timer = min(self._timers, key=lambda due: (self._timers[due], _ORDER[due]))
            if self._timers[timer] > now:
                return
            self._flow(self._timers[timer])
            del self._timers[timer]
            getattr(self, f"_on_{timer.value}")()

    def settle(self, now: datetime) -> None:
        """Catch up with `now` and put the energy up to it on the meter."""
        self.advance(now)
        self._flow(now)

    def sample(self, now: datetime) -> Sample:
        """What the cloud knows: the present, or the last word of a car that sleeps or rarely uploads."""
        self.advance(now)
        return self._last if self.asleep or self._habits.uploads_rarely else self._sample(now)

    def soc_at(self, at: datetime) -> float:
        """True state of charge at an instant that has been lived through."""
        return self._energy.soc_at(at)

    def command(self, action: Action, now: datetime, cause: Cause, start_at: datetime | None = None) -> Reply:
        """Take a command. Its effect, if any, comes some seconds later; `start_at` is for the car's own schedule."""
        self.advance(now)
        now = max(now, self._energy.at)
        if not self.car.takes(action):
            return Reply.UNSUPPORTED
        if self._habits.busy(now):
            return Reply.BUSY
        reply = self._take(action, now, cause, start_at)
        if reply is Reply.ACCEPTED:
            self._habits.accepted(now)
        return reply

    def by_hand(self, action: Action, now: datetime) -> None:
        """The driver starts or stops charging at the car."""
        self.settle(now)
        if self.mode is not Mode.AWAY:
            self._switch(action, BY_DRIVER)

    def unplug(self, now: datetime) -> None:
        """The driver leaves earlier than foreseen."""
        self.advance(now)
        if self.mode is not Mode.AWAY:
            self._timers[Timer.LEAVE] = now
            self.advance(now)

    def come_back(self, stay: Stay) -> None:
        """A stay that was not foreseen, after all others."""
        self._stays.append(stay)
        if self.mode is Mode.AWAY:
            self._plan_arrival()

    def _take(self, action: Action, now: datetime, cause: Cause, start_at: datetime | None) -> Reply:
        if action is Action.WAKE:
            return self._rouse(now)
        if self.asleep:
            return Reply.ASLEEP
        if action in ON_BOARD:
            return self._schedule(start_at if action is Action.SCHEDULE else None, now, cause)
        return Reply.NOT_PLUGGED if self.mode is Mode.AWAY else self._told(action, now, cause)

    def set_limit(self, limit_pct: float, now: datetime, cause: Cause) -> None:
        """Change where the car stops by itself. A full car below its new limit goes on."""
        self.settle(now)
        self.limit_pct = limit_pct
        if self.mode is Mode.CHARGING:
            self._plan_full()
        elif self.mode is Mode.FULL:
            self._begin(cause)

    # Events

    def _on_arrive(self) -> None:
        self._stay += 1
        self.mode = Mode.FULL
        self._energy.rest()
        self._timers[Timer.LEAVE] = self._stays[self._stay].plug_out
        self._note(What.PLUGGED, BY_CAR)
        self._stay_awake(self._energy.at)
        own_timer = self._habits.arrive(self._energy.at)
        if own_timer is not None and Timer.SCHEDULE not in self._timers:
            self._timers[Timer.SCHEDULE], self._scheduled_by = own_timer, BY_DRIVER
        if Timer.SCHEDULE in self._timers and self._energy.soc_pct < self.limit_pct:
            self.mode = Mode.IDLE
        else:
            self._begin(BY_CAR)

    def _on_leave(self) -> None:
        for timer in (Timer.EFFECT, Timer.FULL, Timer.REACT, Timer.WAKE, Timer.SLEEP):
            self._timers.pop(timer, None)
        self.mode, self.asleep, self._pending = Mode.AWAY, False, None
        self._note(What.UNPLUGGED, BY_DRIVER)
        self._plan_arrival()

    def _on_driver(self) -> None:
        deed = self._deeds.pop(0)
        self._plan_driver()
        self.by_hand(deed.action, self._energy.at)

    def _on_schedule(self) -> None:
        if self.mode is not Mode.AWAY and not self._habits.jammed:
            self._switch(Action.START, Cause(Who.SCHEDULE, self._scheduled_by.command_id, self._scheduled_by.plan))

    def _on_effect(self) -> None:
        if self._pending is None:
            return
        (action, cause), self._pending = self._pending, None
        if action is Action.STOP or not self._habits.jammed:
            self._switch(action, cause)

    def _on_full(self) -> None:
        self.mode = Mode.FULL
        self._energy.rest()
        self._note(What.FULL, BY_CAR)
        self._stay_awake(self._energy.at)

    def _on_react(self) -> None:
        if self._reaction is not None:
            self._habits.reacted()
            self._switch(self._reaction.action, self._reaction.cause)

    def _on_wake(self) -> None:
        self.asleep = False
        self._timers.pop(Timer.WAKE, None)
        self._last = self._sample(self._energy.at)
        self._note(What.AWAKE, BY_CAR)
        self._stay_awake(self._energy.at)

    def _on_sleep(self) -> None:
        self.asleep = True
        if not self._habits.uploads_rarely:
            self._last = self._sample(self._energy.at)
        self._note(What.ASLEEP, BY_CAR)

    def _on_upload(self) -> None:
        self._timers[Timer.UPLOAD] = self._energy.at + _UPLOAD
        if not self.asleep:
            self._last = self._sample(self._energy.at)

    # What events are made of

    def _switch(self, action: Action, cause: Cause) -> None:
        if self.asleep:
            self._on_wake()
        (self._begin if action is Action.START else self._halt)(cause)

    def _begin(self, cause: Cause) -> None:
        if self.mode is Mode.CHARGING or self._energy.soc_pct >= self.limit_pct:
            return
        self.mode = Mode.CHARGING
        self._energy.charge()
        self._timers.pop(Timer.SLEEP, None)
        self._plan_full()
        self._switched(What.STARTED, cause)

    def _halt(self, cause: Cause) -> None:
        if self.mode is not Mode.CHARGING:
            return
        self.mode = Mode.IDLE
        self._energy.rest()
        del self._timers[Timer.FULL]
        self._stay_awake(self._energy.at)
        self._switched(What.STOPPED, cause)

    def _switched(self, what: What, cause: Cause) -> None:
        self._note(what, cause)
        self._timers.pop(Timer.REACT, None)
        self._reaction = reaction = self._habits.react(what, cause)
        if reaction is not None:
            self._timers[Timer.REACT] = self._energy.at + self._seconds("react", reaction.low_s, reaction.high_s)

    def _wanted(self) -> Action:
        """What the car does or is about to do anyway."""
        if self._pending is not None:
            return self._pending[0]
        full = self.mode is Mode.FULL and self._energy.soc_pct >= self.limit_pct - 1
        return Action.START if full or self.mode is Mode.CHARGING else Action.STOP

    def _rouse(self, now: datetime) -> Reply:
        if not self.asleep or Timer.WAKE in self._timers:
            self._stay_awake(now)
            return Reply.ALREADY
        low, high = (120, 360) if self._habits.deep_sleeper else (10, 60)
        self._timers[Timer.WAKE] = now + self._seconds("wake", low, high)
        return Reply.ACCEPTED

    def _told(self, action: Action, now: datetime, cause: Cause) -> Reply:
        self._stay_awake(now)
        if action is self._wanted():
            return Reply.ALREADY
        if self._habits.ignores(action):
            return Reply.ACCEPTED
        self._pending = action, cause
        self._timers[Timer.EFFECT] = now + self._seconds("effect", 5, 45)
        return Reply.ACCEPTED

    def _schedule(self, start_at: datetime | None, now: datetime, cause: Cause) -> Reply:
        """Set the car's own schedule, or clear it."""
        if self._timers.get(Timer.SCHEDULE) == start_at:
            return Reply.ALREADY
        if start_at is None:
            del self._timers[Timer.SCHEDULE]
            return Reply.ACCEPTED
        if start_at <= now:
            return Reply.NOT_FUTURE
        self._timers[Timer.SCHEDULE], self._scheduled_by = start_at, cause
        return Reply.ACCEPTED

    def _stay_awake(self, now: datetime) -> None:
        if self.mode in {Mode.IDLE, Mode.FULL} and not self.asleep:
            self._timers[Timer.SLEEP] = now + timedelta(minutes=10 if self._habits.deep_sleeper else 20)

    def _plan_arrival(self) -> None:
        if self._stay + 1 < len(self._stays):
            stay = self._stays[self._stay + 1]
            self._timers[Timer.ARRIVE] = stay.plug_in
            self._energy.drive(stay.plug_in, stay.soc_at_plug_in)
        else:
            self._energy.rest()

    def _plan_driver(self) -> None:
        if self._deeds:
            self._timers[Timer.DRIVER] = self._deeds[0].at

    def _plan_full(self) -> None:
        self._timers[Timer.FULL] = self._energy.full_at(max(self.limit_pct, self._energy.soc_pct))

    def _flow(self, to: datetime) -> None:
        """Let time pass to the next event, or to the present; never back."""
        if to < self._energy.at:
            return
        full = self.mode is Mode.CHARGING and self._timers.get(Timer.FULL) == to
        for start, end, energy_kwh in self._energy.settle(
            to, max(self.limit_pct, self._energy.soc_pct) if full else None
        ):
            self._log.metered.append(Metered(start, end, energy_kwh, self.car.key, self._stay))

    def _sample(self, at: datetime) -> Sample:
        at = max(at, self._energy.at)
        scheduled_start = self._timers.get(Timer.SCHEDULE)
        starting = self._pending is not None and self._pending[0] is Action.START
        return Sample(
            at=at,
            soc_pct=self._energy.soc_at(at),
            limit_pct=self.limit_pct,
            mode=shown(self.mode, scheduled_start, starting=starting),
            at_home=self.mode is not Mode.AWAY and self._stays[self._stay].at_home,
            power_kw=self._energy.power_kw(at),
            odometer_km=self._energy.odometer_at(at),
            scheduled_start=scheduled_start,
        )

    def _note(self, what: What, cause: Cause) -> None:
        energy = self._energy
        self._log.changes.append(Change(energy.at, self.car.key, self._stay, what, cause, energy.soc_pct))

    def _seconds(self, what: str, low: float, high: float) -> timedelta:
        return timedelta(seconds=round(between(low, high, self._seed, self.car.key, what)))
