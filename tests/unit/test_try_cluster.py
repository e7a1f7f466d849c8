"""deploy/monitoring/try.sh begins what docs/monitoring.md types, and leaves nothing running; among stand-ins."""

import os
import re
import shutil
import signal
import stat
import subprocess
from itertools import takewhile
from pathlib import Path
from time import monotonic, sleep

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "monitoring" / "try.sh"
PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
LAST_WORDS = "Within three minutes"
#: Feeds, three workers, guardian, simulator, Prometheus, Grafana.
EVERYBODY = 8
#: Tells how it was called, then stays for as long as it is let; `broken` is the one that does not.
STAND_IN = r"""#!/bin/sh
name=${0##*/}
data=${D2EV_DATA_DIR##*/}
case "$name $1 $2" in
    "d2ev broker up") echo 127.0.0.1:9092 ;;
esac
echo "D2EV_HEALTH_PORT=$D2EV_HEALTH_PORT D2EV_DATA_DIR=$data $name $*" >>"$TOLD"
case "$1" in broker | topics) exit 0 ;; esac
[ "$data" != "$BROKEN" ] || { echo "a port is taken" >&2; exit 1; }
echo $$ >>"$TOLD.pids"
exec sleep 600
"""


def stand_in(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(STAND_IN, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class Cluster:
    """A copy of the script among stand-ins."""

    def __init__(self, where: Path, *programs: str, broken: str = "none") -> None:
        self.told = where / "told"
        script = where / "deploy" / "monitoring" / "try.sh"
        script.parent.mkdir(parents=True)
        shutil.copy(SCRIPT, script)
        for program in programs:
            stand_in(where / (".venv/bin/d2ev" if program == "d2ev" else f"bin/{program}"))
        environment = {"PATH": f"{where}/bin:{_plain(where)}", "TOLD": str(self.told), "BROKEN": broken}
        self.process = subprocess.Popen(
            [str(script)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def until_all_run(self) -> str:
        """What it says meanwhile."""
        assert self.process.stdout is not None
        said = list(takewhile(lambda line: LAST_WORDS not in line, self.process.stdout))
        give_up = monotonic() + 60
        while len(self._pids()) < EVERYBODY:
            assert monotonic() < give_up, "not all were begun"
            sleep(0.02)
        return "".join(said)

    def _pids(self) -> list[int]:
        file = Path(f"{self.told}.pids")
        return list(map(int, file.read_text().split())) if file.exists() else []

    def left(self) -> list[int]:
        """What still runs of all that was begun."""
        return [pid for pid in self._pids() if _runs(pid)]


def _plain(where: Path) -> str:
    """A PATH without Prometheus and Grafana, whatever this machine has."""
    folder = where / "plain"
    folder.mkdir()
    for name in ("bash", "env", "sh", "date", "mkdir", "cat", "sleep", "tail", "dirname"):
        found = shutil.which(name)
        assert found is not None, name
        (folder / name).symlink_to(found)
    return str(folder)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def begun(told: str) -> list[str]:
    """Commands as the page has them: no health port where none is served, no folders but the workers'."""
    unsaid = r"D2EV_HEALTH_PORT=0? |D2EV_DATA_DIR=(?!worker)\S* | --vehicles \d+| --storage\S+"
    return sorted(re.sub(unsaid, "", call) for call in told.splitlines())


def typed() -> list[str]:
    """The block of the page that says what the script types."""
    (block,) = re.findall(r"```\n(\$ d2ev broker up\n.*?)```", PAGE, re.DOTALL)
    return [line.removeprefix("$ ") for line in block.splitlines()]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_begins_what_the_page_types_and_ends_all_of_it(tmp_path: Path, stop: signal.Signals) -> None:
    cluster = Cluster(tmp_path, "d2ev", "prometheus", "grafana")
    with cluster.process as process:
        said = cluster.until_all_run()
        os.killpg(process.pid, stop)  # as a terminal does
        _, error = process.communicate(timeout=60)
    assert "has ended" not in error
    assert process.returncode != 0
    assert begun(cluster.told.read_text()) == sorted(typed())
    assert re.findall(r"http://\S+", said) == ["http://127.0.0.1:9095/", "http://127.0.0.1:3000/d/d2ev-overview"]
    assert cluster.left() == []


def test_the_ports_are_those_that_prometheus_asks() -> None:
    scraped = yaml.safe_load((SCRIPT.parent / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    asked = {
        (job["job_name"], target) for job in scraped for static in job["static_configs"] for target in static["targets"]
    }
    assert asked == {
        (f"d2ev-{command}", f"127.0.0.1:{port}")
        for port, command in re.findall(r"D2EV_HEALTH_PORT=(\d+).* d2ev (\w+)", "\n".join(typed()))
    }


def test_when_one_ends_it_says_which_and_why_and_ends_the_others(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "d2ev", "prometheus", broken="worker2")
    out, error = cluster.process.communicate(timeout=60)
    assert "Grafana     is not on PATH" in out
    assert re.fullmatch(r"worker2 has ended; the end of \S+/worker2\.log:\na port is taken\n", error)
    assert cluster.process.returncode == 1
    assert cluster.left() == []


@pytest.mark.parametrize(
    ("programs", "said"), [((), "make setup"), (("d2ev",), "no prometheus on PATH")], ids=["empty clone", "alone"]
)
def test_what_is_missing_is_said_before_anything_is_begun(tmp_path: Path, programs: tuple[str, ...], said: str) -> None:
    cluster = Cluster(tmp_path, *programs)
    _, error = cluster.process.communicate(timeout=60)
    assert (cluster.process.returncode, said in error) == (2, True)
    assert not cluster.told.exists()
