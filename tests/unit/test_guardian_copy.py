"""The guardian's copy of the held cars: whole or not at all, sealed, for its owner's eyes, and never misread."""

import stat
from pathlib import Path

import pytest

from agents.guardian import copy
from agents.guardian.known import FORGOTTEN_AFTER, Known
from agents.guardian.rules import Outcome, Progress
from agents.said import Said
from agents.settings import load
from streams.topics import HELD
from tables import ACCOUNTS, KEYS
from tests.guarded import HOUR, NOW, account, freed, held, held_car

SEALER = load({}).sealer()
CHARGING = Progress(lease_until=NOW, last=Outcome.CHARGING)


def knowing() -> Known:
    known = Known()
    known.hear([held(held_car("a.b")), held(held_car("c.d"))])
    for name in ("a", "c", "nobody-held"):
        known.hear(account(name, f"at-{name}-secret", SEALER))
    return known


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    known, file = knowing(), tmp_path / "deep" / "held.json"
    copy.write(file, copy.copy_of(known, {"a.b": CHARGING, "c.d": Progress(lease_until=NOW, tries=3)}, NOW))
    read = copy.read(file)
    again = read.known()
    assert again.cars == known.cars
    assert all(again.way(car, NOW) == known.way(car, NOW) is not None for car in known.cars.values())
    assert dict(read.settled) == {"a.b": CHARGING}
    assert "nobody-held" not in again.access.keys() | again.keys.keys()


def test_it_holds_no_token_in_clear_and_no_refresh_token_at_all(tmp_path: Path) -> None:
    file = tmp_path / "held.json"
    copy.write(file, copy.copy_of(knowing(), {}, NOW))
    assert b"secret" not in file.read_bytes()
    assert b"sealed_token" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "held.json"
    copy.write(file, copy.copy_of(knowing(), {}, NOW))

    def full(_descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("agents.guardian.copy.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        copy.write(file, copy.copy_of(Known(), {}, NOW + HOUR))
    assert len(copy.read(file).cars) == 2


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"version": 2}', b"\xff"])
def test_a_file_that_is_no_copy_is_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "held.json"
    file.write_bytes(content)
    with pytest.raises(copy.BadCopy) as bad:
        copy.read(file)
    assert str(file) in str(bad.value)
    assert "\n" not in str(bad.value)


def test_a_log_that_lost_its_records_frees_nobody() -> None:
    known = knowing()
    known.hear([])
    assert len(known.cars) == 2
    known.hear([freed("a.b")])
    assert list(known.cars) == ["c.d"]


def test_an_erased_account_is_gone_from_memory_and_from_the_next_copy() -> None:
    known = knowing()
    known.hear([Said(ACCOUNTS.name, "a", None), Said(KEYS.name, "a", None)])
    assert known.way(known.cars["a.b"], NOW) is None
    assert "at-a" not in copy.copy_of(known, {}, NOW).model_dump_json()
    assert {name for name, _ in copy.copy_of(known, {}, NOW).access} == {"c"}


def test_a_record_that_makes_no_sense_is_counted_and_the_last_word_stands() -> None:
    known = knowing()
    known.hear([Said(HELD.name, "a.b", b"{}"), Said(ACCOUNTS.name, "a", b"\xff"), Said(KEYS.name, "a", b"1")])
    assert known.unreadable == 3
    assert known.way(known.cars["a.b"], NOW) is not None


def test_cars_of_long_ago_are_forgotten() -> None:
    known = knowing()
    known.hear([held(held_car("c.d", lease=NOW + HOUR))])
    known.forget(NOW + HOUR)
    assert list(known.cars) == ["c.d"]
    assert FORGOTTEN_AFTER.days < 7, "tombstones stay on the log for seven days"
