"""Nothing that the demo started outlives it, however it ends; and nothing else is changed by being watched."""

import io
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo import child
from deploy.demo.workers import begin, end

SAYS = """
import os, pathlib, sys, time
held = (pathlib.Path(__file__).parent / "life").open("wb")
print(os.getpid(), *sys.argv[1:], flush=True)
time.sleep(600)
"""
PARENT = """
import asyncio, os, sys
from pathlib import Path
from deploy.demo.workers import begin
async def main():
    _, line = await begin(("says",), {"PYTHONPATH": os.pathsep.join(sys.path)}, Path(sys.argv[1]) / "log")
    print(line, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.fixture
def life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The end of a pipe whose other end is held by `says`, a module that tells its process id and stays."""
    (tmp_path / "says.py").write_text(SAYS, encoding="utf-8")
    here = Path(child.__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(here)]))
    os.mkfifo(tmp_path / "life")
    held = os.open(tmp_path / "life", os.O_RDONLY | os.O_NONBLOCK)
    yield held
    os.close(held)


def test_a_child_ends_when_its_parent_is_killed(life: int, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline()
        assert select.select([life], [], [], 0.2)[0] == [], "it lives as long as its parent"
        parent.kill()
        assert select.select([life], [], [], 60)[0] == [life], "it outlived its parent"
        assert os.read(life, 1) == b""


async def test_it_is_the_process_that_was_asked_for_with_its_arguments(life: int, tmp_path: Path) -> None:
    process, line = await begin(("says", "--one", "two"), {}, tmp_path / "log")
    try:
        assert line == f"{process.pid} --one two"
        assert select.select([life], [], [], 0)[0] == []
    finally:
        await end(process)
    assert process.returncode == -signal.SIGTERM


def test_who_does_not_end_politely_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(child, "sleep", lambda seconds: said.append(f"{seconds:g} s"))
    child.follow(io.BytesIO(b"anything"), lambda: said.append("end"), lambda: said.append("insist"))
    assert said == ["end", "5 s", "insist"]
