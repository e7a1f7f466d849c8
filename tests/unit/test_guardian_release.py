"""`d2ev release-all`: whom it would start, from where, and what its exit code says."""

from pathlib import Path

import pytest

from agents.guardian import copy
from agents.guardian.known import Known
from deploy.release import Released, chosen, overview, release
from oem_connectors.simulator.cloud.car import Personality
from tests.command_line import run
from tests.guarded import HOUR, MINUTE, NOW, account, held, held_car, scene, sim_car

NOBODY = "127.0.0.1:1"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy with two held cars whose leases live on, and no token."""
    known = Known()
    known.hear([held(held_car("a.b", NOW + HOUR, NOW + 2 * HOUR)), held(held_car("c.d", NOW + HOUR, NOW + HOUR))])
    copy.write(tmp_path / "held.json", copy.copy_of(known, {}, NOW))
    return tmp_path / "held.json"


def test_a_dry_run_says_how_many_and_until_when(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "release-all", "--file", str(file), "--dry-run")
    assert ran.code == 0
    assert "2 cars are held" in ran.out
    assert "simulator" in ran.out
    assert "2025-01-15 00:00 UTC" in ran.out


def test_without_kafka_it_falls_back_to_the_guardians_copy_and_says_so(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("D2EV_HELD_FILE", str(file))
    monkeypatch.setenv("D2EV_BOOTSTRAP", NOBODY)
    ran = run(capsys, "release-all", "--dry-run")
    assert (ran.code, "2 cars are held" in ran.out) == (0, True)
    line = next(line for line in ran.err.splitlines() if "copy of the guardian" in line)
    assert NOBODY in line


def test_cars_that_cannot_be_opened_make_exit_code_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "release-all", "--file", str(file), "--yes")
    assert (ran.code, "2 without a good access token" in ran.out) == (1, True)


def test_nothing_held_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy.write(tmp_path / "held.json", copy.copy_of(Known(), {}, NOW))
    ran = run(capsys, "release-all", "--file", str(tmp_path / "held.json"), "--yes")
    assert (ran.code, "0 cars are held" in ran.out) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [("--file", "no-such-file"), ("--oem", "no-such-maker"), ("--per-minute", "601"), ("--file", "pyproject.toml")],
)
def test_bad_input_is_one_line_and_exit_code_two(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(capsys, "release-all", *arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith("d2ev: ")


def test_one_maker_can_be_picked() -> None:
    known = Known()
    known.hear([held(held_car("a.b")), held(held_car("c.d", oem="other"))])
    assert [car.car for car in chosen(known, "other")] == ["c.d"]
    assert overview(chosen(known, None)) == [("other", 1, NOW + HOUR), ("simulator", 1, NOW + HOUR)]


async def test_every_held_car_is_started_whatever_its_lease() -> None:
    async with scene([sim_car("a.b"), sim_car("c.d"), sim_car("e.f", Personality.IGNORES_STOP)]) as staged:
        for name in ("a", "c", "e"):
            staged.known.hear(account(name, staged.token(name), staged.settings.sealer(), NOW + 10_000 * 24 * HOUR))
        lively = [held_car(name, NOW + 20 * MINUTE) for name in ("a.b", "c.d")]
        staged.known.hear([held(car) for car in lively])
        cars, done = chosen(staged.known, None), list[int]()
        ended = await release(staged.settings, staged.known, cars, 600, done.append)
        assert ended == Released(held=3, started=2, charging=1, gone=0, failed=0, without_token=0)
        assert done[-1] == 3
        staged.time.at += MINUTE
        assert {change.car for change in staged.starts()} == {"a.b", "c.d"}, (
            "the third one never stopped, and is seen to charge"
        )
        assert [call for call in staged.calls() if call == "start"] == ["start"] * 2
