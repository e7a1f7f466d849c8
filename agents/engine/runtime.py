"""All lanes of a worker: opened when partitions come, fed by the Faust agents, finished when partitions go."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from agents.engine.lane import StageLane
from agents.engine.log import LogWriter
from agents.engine.stage import Stage
from agents.metrics import Metrics
from agents.sealing import Sealer

#: A chunk makes many objects that die with it and hardly a cycle: the collector need not look at each of them thrice.
YOUNG_OBJECTS = 100_000


class Runtime:
    """All lanes of a worker."""

    def __init__(
        self,
        stages: tuple[Stage, ...],
        bound: Mapping[str, Any],
        partitions: int,
        writer: LogWriter,
        sealer: Sealer,
        metrics: Metrics,
        crash: Callable[[BaseException], None],
    ) -> None:
        self.bound = bound
        self.partitions = partitions
        self.writer = writer
        self.sealer = sealer
        #: Whether there were fewer partitions until lately, by whose number some may still write.
        self.expanded = False
        self.metrics = metrics
        self.crash = crash
        self.epoch: Callable[[], int] = lambda: 0
        #: Whether this process has been awake, so that what it owned it can still own.
        self.alive: Callable[[], bool] = lambda: True
        #: Told the time of every tick as it is read.
        self.on_tick: Callable[[datetime], None] = lambda at: None
        #: The stage that reports an undecodable record of a topic: the first that reads it.
        self.reporter = {topic.name: stage.name for stage in reversed(stages) for topic in stage.reads}
        self._stages = stages
        gc.set_threshold(YOUNG_OBJECTS, 20, 20)
        self._lanes: dict[tuple[str, int], StageLane] = {}

    async def consume(self, stage: Stage, stream: Any) -> None:
        """The body of the stage's Faust agent: hand each chunk to the lane of its partition."""
        async for event in stream.events():
            if event.value.epoch != self.epoch():
                event.value.dropped = True
                continue
            # The stream gives up its own share when it moves on; the lane keeps this one until all is durable.
            event.message.incref()
            self.lane(stage, event.value.partition).put(event.message)

    def lane(self, stage: Stage, partition: int) -> StageLane:
        """The lane of a stage in a partition."""
        lane = self._lanes.get((stage.name, partition))
        if lane is None:
            lane = self._lanes[stage.name, partition] = StageLane(self, stage, partition)
        return lane

    def begin(self, places: Iterable[tuple[str, int]]) -> None:
        """Open the lanes of these (topic, partition): what was under way is taken up before the next record comes."""
        places = sorted(places)
        for stage in self._stages:
            reads = {topic.name for topic in stage.reads}
            for topic, partition in places:
                if topic in reads:
                    self.lane(stage, partition)

    async def finish(self) -> None:
        """End the assignment: finish begun chunks, drop the rest and all jobs, forget what was remembered."""
        while lanes := dict(self._lanes):
            # Jobs first: they reach into the lanes of other stages.
            for lane in lanes.values():
                await lane.jobs.drop()
            for lane in lanes.values():
                await lane.close()
            self._lanes = {place: lane for place, lane in self._lanes.items() if lanes.get(place) is not lane}

    def restored(self) -> bool:
        """Has every lane taken up what was under way before it?"""
        return all(lane.restored for lane in self._lanes.values())

    def busy(self) -> bool:
        """Is any lane at work, or about to be?"""
        return any(lane.busy() for lane in self._lanes.values())

    def in_flight(self) -> int:
        """Jobs waiting or running."""
        return sum(len(lane.jobs) for lane in self._lanes.values())

    def next_due(self) -> dict[str, datetime]:
        """The earliest instant at which a stage wants attention, per stage that does."""
        due: dict[str, datetime] = {}
        for (stage, _), lane in self._lanes.items():
            at = lane.memory.due.next()
            if at is not None:
                due[stage] = min(at, due.get(stage, at))
        return due
