"""A process that slept through its session writes nothing of its past, but for the last word on a grant."""

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest

from agents.app import build
from agents.engine.log import Lapsed, fenced
from agents.settings import load

STANDING, GRANTS = "d2ev-standing-changelog", "d2ev-accounts-changelog"


def writes(*topics: str) -> ProduceRequest:
    return ProduceRequest(None, -1, 1000, [(topic, [(0, b"")]) for topic in topics])


class Client:
    """What left."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send(self, node_id: Any, request: Any, **_: Any) -> None:
        self.sent.append(request)


@pytest.mark.parametrize("lapsed", [True, False])
async def test_what_lapsed_does_not_leave(lapsed: bool) -> None:
    client = Client()
    asked: list[Collection[str]] = []

    def judge(topics: Collection[str]) -> bool:
        asked.append(topics)
        return lapsed

    send = fenced(client.send, judge)
    await send(0, MetadataRequest([]))
    if lapsed:
        with pytest.raises(Lapsed) as refused:
            await send(0, writes(STANDING, GRANTS))
        assert not refused.value.retriable
    else:
        await send(0, writes(STANDING, GRANTS))
    assert len(client.sent) == (1 if lapsed else 2)
    assert asked == [[STANDING, GRANTS]]


@pytest.mark.parametrize(
    ("topics", "alive", "stopping", "lapsed"),
    [
        ([STANDING], True, False, False),
        ([STANDING], False, False, True),
        ([STANDING, GRANTS], False, False, True),
        ([GRANTS], False, False, False),
        (["d2ev-data-keys-changelog", "d2ev.account.state.v1"], False, False, False),
        ([STANDING], False, True, False),
    ],
)
def test_who_slept_has_lapsed(topics: list[str], alive: bool, stopping: bool, lapsed: bool) -> None:
    worker = build(load({}))
    pulse = SimpleNamespace(alive=lambda epoch: alive and epoch == 3)
    worker.app = SimpleNamespace(_consumer=SimpleNamespace(pulse=pulse, epoch=3), should_stop=stopping)
    assert worker.writer.lapsed(topics) is lapsed


def test_before_there_is_a_session_nothing_has_lapsed() -> None:
    assert not build(load({})).lapsed([STANDING])
