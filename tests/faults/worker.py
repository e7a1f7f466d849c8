"""The product's worker, with phones that note every push they show: `python -m tests.faults.worker`.

The file named by D2EV_TEST_PHONES gets a line per push.
"""

import os
from pathlib import Path

from agents.push import InApp, Message, Sent, phones
from deploy.commands.processes import worker


class Shown(InApp):
    """All drivers' phones."""

    async def send(self, target: str, message: Message) -> Sent:
        show(f"{message.kind} {message.id}")
        return await super().send(target, message)


def show(line: str) -> None:
    """What is in the file has happened: the system keeps it when the process is killed."""
    with Path(os.environ["D2EV_TEST_PHONES"]).open("a", encoding="utf-8") as shown:
        shown.write(f"{line}\n")


if __name__ == "__main__":
    vars(phones)[InApp.__name__] = Shown
    worker()
