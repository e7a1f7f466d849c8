"""A process that ends with the one that started it: `python -m deploy.demo.child MODULE ARGUMENTS…`.

The parent holds the other end of our standard input and writes nothing; killed in whatever way, it lets go.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Callable
from threading import Thread
from time import sleep
from typing import BinaryIO, Final

#: Kafka often goes with the parent, and a polite end may wait for it for long.
GRACE_SECONDS: Final = 5.0


def follow(parent: BinaryIO, end: Callable[[], None], insist: Callable[[], None]) -> None:
    """When the parent is gone, end politely, then at once."""
    while parent.read(1):
        pass
    end()
    sleep(GRACE_SECONDS)
    insist()


def main() -> None:
    """Run the module in this very process, with the parent watched beside it."""
    watching = (sys.stdin.buffer, lambda: os.kill(os.getpid(), signal.SIGTERM), lambda: os._exit(1))
    Thread(target=follow, args=watching, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
