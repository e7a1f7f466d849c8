"""Custody of accounts: a key of their own, rotated under them, destroyed with them; and a start owed before that."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import accounts, custody, envelope
from agents.engine.stage import Send
from agents.metrics import Metrics
from agents.sealing import Sealer, Unsealable, new_key
from agents.settings import BadSettings, load
from streams.contracts.account import Link
from streams.contracts.internal import Tick, TickPhase
from streams.topics import ACCOUNT, REGISTRATION, TICK
from tables import ACCOUNTS, KEYS
from tables.rows import AccountRow, KeyRow
from tests.desk import Desk
from tests.night import registration

NOW = datetime(2023, 5, 14, 17, tzinfo=UTC)
OLD, NEW = new_key(), new_key()
GRANT, ACCESS = envelope.seal_context("acct"), envelope.access_context("acct")


async def _nothing(partition: int, account: str) -> None:
    del partition, account


class Office(Desk):
    """The accounts stage with a seal key, in a time of our own."""

    def __init__(self, sealer: Sealer, stored: dict[tuple[str, str], bytes] | None = None) -> None:
        self.sealer, self.metrics = sealer, Metrics()
        super().__init__(accounts.stage(sealer, _nothing, self.metrics))
        self.stored.update(stored or {})
        work = self._work([])
        assert self.stage.restore is not None
        self.stage.restore(work)
        self._apply(work)

    def enrol(self, token: str = "rt-0", car: str = "acct.car", sealer: Sealer | None = None) -> list[Send]:
        sealed = (sealer or self.sealer).seal(token.encode(), GRANT)
        return self.give(NOW, (REGISTRATION, car, registration(car=car, grant_sealed=sealed)))

    def erase(self, car: str = "acct.car") -> list[Send]:
        return self.give(NOW, (REGISTRATION, car, None))

    def tick(self, **after: float) -> None:
        at = NOW + timedelta(**after)
        self.give(at, (TICK, "0", Tick(at=at, phase=TickPhase.READ)))

    def row(self) -> AccountRow | None:
        row: AccountRow | None = self.get(ACCOUNTS, "acct")
        return row

    def token(self) -> str:
        row = self.row()
        assert row is not None
        assert row.sealed_token is not None
        return envelope.opened(self.sealer, self.get(KEYS, "acct")).open(row.sealed_token, GRANT).decode()

    def not_current(self) -> float:
        return float(self.metrics.keys_not_current._value.get())


def told(sends: list[Send]) -> list[Link | None]:
    return [send.message and send.message.link for send in sends if send.topic is ACCOUNT]


def test_a_grant_is_taken_into_custody_under_a_key_of_the_account() -> None:
    office = Office(Sealer(OLD))
    assert told(office.enrol()) == [Link.LINKED]
    assert office.token() == "rt-0"
    row = office.row()
    assert row is not None
    with pytest.raises(Unsealable):
        office.sealer.open(str(row.sealed_token), GRANT)


def test_every_account_has_another_key() -> None:
    sealer = Sealer(OLD)
    one, two = (envelope.data_key(sealer, "acct", NOW) for _ in range(2))
    sealed = envelope.opened(sealer, one).seal(b"x", GRANT)
    with pytest.raises(Unsealable):
        envelope.opened(sealer, two).open(sealed, GRANT)
    with pytest.raises(Unsealable):
        envelope.opened(sealer, one.model_copy(update={"account": "other"}))


def test_a_new_seal_key_takes_over_every_data_key_and_the_old_one_can_go() -> None:
    before = Office(Sealer(OLD))
    before.enrol()
    between = Office(Sealer(NEW, [OLD]), before.stored)
    assert between.token() == "rt-0"
    assert between.not_current() == 0
    assert between.stored["accounts", "acct"] == before.stored["accounts", "acct"]
    after = Office(Sealer(NEW), between.stored)
    assert (after.token(), after.not_current()) == ("rt-0", 0)


def test_a_key_that_no_seal_key_opens_is_counted_and_kept() -> None:
    before = Office(Sealer(OLD))
    before.enrol()
    after = Office(Sealer(NEW), before.stored)
    assert after.not_current() == 1
    assert after.stored == before.stored


def test_after_erasure_no_copy_of_the_row_opens_whatever_seal_key_one_has() -> None:
    office = Office(Sealer(OLD))
    office.enrol()
    copy, key = office.row(), office.get(KEYS, "acct")
    assert copy is not None
    office.erase()
    office.tick(seconds=31)
    assert (office.row(), office.get(KEYS, "acct")) == (None, None)
    with pytest.raises(Unsealable):
        office.sealer.open(str(copy.sealed_token), GRANT)
    # A car that is enrolled again gets a key that opens nothing of before.
    office.enrol("rt-9")
    with pytest.raises(Unsealable):
        envelope.opened(office.sealer, office.get(KEYS, "acct")).open(str(copy.sealed_token), GRANT)
    assert envelope.opened(office.sealer, key).open(str(copy.sealed_token), GRANT) == b"rt-0"


def test_the_keys_stay_for_the_farewell_and_not_a_minute_longer_even_after_a_take_over() -> None:
    office = Office(Sealer(OLD))
    office.enrol()
    assert told(office.erase()) == [None]
    office.tick(seconds=29)
    row = office.row()
    assert row is not None
    assert row.link in custody.LOST
    successor = Office(Sealer(OLD), office.stored)
    successor.tick(seconds=31)
    assert successor.stored == {}


def test_the_last_car_takes_the_grant_with_it_and_no_car_before() -> None:
    office = Office(Sealer(OLD))
    office.enrol()
    office.give(NOW, (REGISTRATION, "acct.two", registration(car="acct.two")))
    assert told(office.erase()) == []
    office.tick(minutes=5)
    assert office.token() == "rt-0"
    assert told(office.erase("acct.two")) == [None]
    office.tick(minutes=10)
    assert office.stored == {}


def test_a_car_that_comes_back_within_the_farewell_keeps_its_account() -> None:
    office = Office(Sealer(OLD))
    office.enrol()
    office.erase()
    assert told(office.enrol()) == [Link.LINKED]
    office.tick(minutes=5)
    assert office.token() == "rt-0"


def test_a_grant_that_cannot_be_read_is_told_once_and_mended_by_one_that_can() -> None:
    office = Office(Sealer(OLD))
    assert [told(office.enrol(sealer=Sealer(NEW))) for _ in range(3)] == [[Link.NEEDS_CONSENT], [], []]
    assert told(office.enrol()) == [Link.LINKED]
    assert told(office.enrol("rt-other", sealer=Sealer(NEW))) == []
    assert office.token() == "rt-0"


@pytest.mark.parametrize("lost", ["data-keys", "accounts"])
def test_a_crash_while_a_grant_is_adopted_is_made_good_by_the_replay(lost: str) -> None:
    office = Office(Sealer(OLD))
    office.enrol()
    del office.stored[lost, "acct"]
    office.enrol()
    assert office.token() == "rt-0"


def test_consent_lost_for_a_grant_that_was_replaced_meanwhile_changes_nothing() -> None:
    office = Office(Sealer(OLD))
    office.enrol()
    row, work = office.row(), office._work([])
    assert row is not None
    custody.consent_lost(work, "acct", "some older token", "refused")
    assert work.effects.puts == {}
    for _ in range(2):
        custody.consent_lost(work, "acct", row.sealed_token, "refused")
    assert [send.message.link for send in work.effects.sends] == [Link.NEEDS_CONSENT]


@given(st.integers(20, 10 * 24 * 3600), st.text(max_size=10))
def test_tokens_are_renewed_early_enough_for_a_guardian_and_not_all_at_once(life_seconds: int, account: str) -> None:
    life = timedelta(seconds=life_seconds)
    row = AccountRow(
        account=account, oem="simulator", sealed_token="x", sealed_access="y", access_issued_at=NOW,
        access_expires_at=NOW + life, since=NOW,
    )  # fmt: skip
    at = custody.renew_at(row)
    assert at is not None
    early = max(timedelta(seconds=20), life / 10, min(timedelta(minutes=30), life / 2))
    assert NOW + life / 4 <= at
    assert NOW + life - early * 1.2 <= at or at == NOW + life / 4
    assert at <= NOW + life - min(early, life * 3 / 4)
    lost = row.model_copy(update={"link": Link.NEEDS_CONSENT})
    assert custody.renew_at(lost) is None


def test_renewals_of_tokens_issued_together_are_spread() -> None:
    rows = [
        AccountRow(
            account=f"a{n}", oem="simulator", sealed_token="x", sealed_access="y", access_issued_at=NOW,
            access_expires_at=NOW + timedelta(hours=8), since=NOW,
        )
        for n in range(500)
    ]  # fmt: skip
    assert len({custody.renew_at(row) for row in rows}) > 200


def test_sealed_text_names_its_version_and_key_and_is_bound_to_both() -> None:
    one, both = Sealer(OLD), Sealer(NEW, [OLD])
    sealed = one.seal(b"rt-0", GRANT)
    version, key_id, text = sealed.split(".")
    assert version == "v2"
    assert key_id == one.seal(b"", ACCESS).split(".")[1] != both.seal(b"", ACCESS).split(".")[1]
    assert both.open(sealed, GRANT) == b"rt-0"
    assert not both.is_current(sealed)
    assert one.is_current(sealed)
    for forged in _forgeries(version, key_id, text, both.seal(b"", ACCESS).split(".")[1]):
        with pytest.raises(Unsealable):
            both.open(forged, GRANT)


def _forgeries(version: str, key_id: str, text: str, other_id: str) -> Iterator[str]:
    blob = bytearray(base64.b64decode(text))
    blob[-1] ^= 1
    yield f"{version}.{key_id}.{base64.b64encode(blob).decode()}"
    yield f"v1.{key_id}.{text}"
    yield f"{version}.{other_id}.{text}"
    yield f"{key_id}.{text}"
    yield text


def test_settings_open_what_a_retired_key_sealed_and_refuse_a_bad_one() -> None:
    old, new = (base64.b64encode(key).decode() for key in (OLD, NEW))
    settings: Any = load({}, seal_key=new, seal_keys_retired=(old,))
    sealed = Sealer(OLD).seal(b"x", GRANT)
    assert settings.sealer().open(sealed, GRANT) == b"x"
    assert settings.sealer().is_current(settings.sealer().seal(b"x", GRANT))
    with pytest.raises(BadSettings, match="D2EV_SEAL_KEYS_RETIRED: ") as refused:
        load({}, seal_key=new, seal_keys_retired=("c2hvcnQ=",))
    assert "c2hvcnQ" not in str(refused.value)


def test_the_keys_changelog_forgets_replaced_keys_soon_and_tells_of_deleted_ones_for_long() -> None:
    config = KEYS.config()
    assert config["cleanup.policy"] == "compact"
    assert int(config["max.compaction.lag.ms"]) <= 10 * 60 * 1000
    assert int(config["delete.retention.ms"]) >= 7 * 24 * 3600 * 1000
    assert ACCOUNTS.config() == {"cleanup.policy": "compact"}


def test_rows_never_show_their_content_in_errors() -> None:
    with pytest.raises(ValueError, match="wrapped") as refused:
        KeyRow.model_validate({"account": "secret-account", "wrapped": 5, "since": NOW})
    assert "secret-account" not in str(refused.value)
