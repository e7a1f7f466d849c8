"""Runs the `d2ev` command inside a test, as a user would from a shell."""

import sys
from typing import NamedTuple

import pytest

from deploy import cli


class Ran(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    """`d2ev` with these arguments."""
    before, sys.argv = sys.argv, ["d2ev", *arguments]
    try:
        with pytest.raises(SystemExit) as end:
            cli.main()
    finally:
        sys.argv = before
    out, err = capsys.readouterr()
    return Ran(int(end.value.code or 0), out, err)
