"""Places at which a test may kill this process, as a power cut would. Without the variable they do nothing.

D2EV_TEST_FAILPOINT=NAME:N kills at the N-th time that NAME is reached; NAME:N:pause suspends there until SIGCONT.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Final

#: Every place, in the order of one command, one refresh, one push and one chunk.
FAILPOINTS: Final = (
    "command.taken",
    "command.sending",
    "command.answered",
    "command.written",
    "refresh.marked",
    "refresh.answered",
    "refresh.written",
    "push.taken",
    "push.answered",
    "chunk.taken",
    "chunk.sent",
    "chunk.logged",
    "chunk.stored",
)

_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Die here, or freeze, if a test says so."""
    wanted = os.environ.get("D2EV_TEST_FAILPOINT")
    if wanted is None:
        return
    place, turn, pause = (*wanted.split(":"), "1", "")[:3]
    if place != name:
        return
    _reached[name] += 1
    if _reached[name] == int(turn):
        os.kill(os.getpid(), signal.SIGSTOP if pause == "pause" else signal.SIGKILL)
