"""What drivers may ask for comes out as it went in; what is absurd is refused before it is a wish."""

from datetime import UTC, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.driver_api.answers import preference_view
from agents.driver_api.asked import Changes, FcmDevice, Wanted, WebPushDevice
from streams import serde
from streams.contracts.preference import Preference

KNOWN = Preference(car="a1.v1", margin_minutes=35, mode="boost", updated_at=datetime(2026, 11, 24, tzinfo=UTC))
WHOLE: dict[str, Any] = {
    "ready_by": "06:30", "ready_by_days": {"sat": "09:15"}, "target_soc_pct": 90, "min_soc_pct": 10,
    "balance": "both", "language": "de",
}  # fmt: skip
minutes = st.times().map(lambda at: f"{at:%H:%M}")
wishes = st.fixed_dictionaries(
    {
        "ready_by": minutes,
        "ready_by_days": st.dictionaries(st.sampled_from(["mon", "tue", "sat", "sun"]), minutes),
        "target_soc_pct": st.integers(20, 100),
        "min_soc_pct": st.integers(0, 20),
        "balance": st.sampled_from(["money", "both", "carbon"]),
        "language": st.sampled_from(["en", "de"]),
    }
)


def as_read(preference: Preference) -> dict[str, Any]:
    written = Preference.model_validate_json(serde.encode(preference))
    assert written == preference
    told = preference_view(written, "a1.v1").model_dump(mode="json")
    told["ready_by"] = told["ready_by"][:5]
    told["ready_by_days"] = {day: at[:5] for day, at in told["ready_by_days"].items()}
    return told


@given(wishes)
def test_a_whole_wish_is_read_as_it_was_written(wanted: dict[str, Any]) -> None:
    after = Wanted.model_validate(wanted).apply(KNOWN)
    told = as_read(after)
    assert {name: told[name] for name in wanted} == wanted
    assert (after.margin_minutes, after.mode) == (35, "boost"), "what is not asked for stays"


@given(wishes, st.sets(st.sampled_from(sorted(WHOLE))))
def test_a_part_changes_that_part_alone(wanted: dict[str, Any], parts: set[str]) -> None:
    before = Wanted.model_validate(WHOLE).apply(KNOWN)
    after = Changes.model_validate({part: wanted[part] for part in parts}).apply(before)
    assert as_read(after) == as_read(before) | {
        part: value for part, value in as_read(Wanted.model_validate(wanted).apply(KNOWN)).items()
        if part in parts or (part == "carbon_price_per_tonne" and "balance" in parts)
    }  # fmt: skip


@pytest.mark.parametrize(
    "absurd",
    [
        {"surprise": 1}, {"mode": "boost"}, {"car": "b2.v2"}, {"updated_at": "2030-01-01T00:00:00Z"},
        {"carbon_price_per_tonne": 1}, {"margin_minutes": 0},
        {"ready_by": "06:30:01"}, {"ready_by": "06:30:00.5"}, {"ready_by": "06:30Z"}, {"ready_by": "06:30+01:00"},
        {"ready_by": "24:00"}, {"ready_by": 23400}, {"ready_by": True}, {"ready_by": ""}, {"ready_by": []},
        {"ready_by_days": {"someday": "06:30"}}, {"ready_by_days": {"mon": 5}}, {"ready_by_days": {"mon": None}},
        {"target_soc_pct": "90"}, {"target_soc_pct": True}, {"target_soc_pct": 19.9}, {"target_soc_pct": 100.1},
        {"target_soc_pct": float("nan")}, {"target_soc_pct": float("inf")}, {"min_soc_pct": -1}, {"min_soc_pct": 81},
        {"balance": "greed"}, {"balance": ""}, {"language": "fr"},
    ],
)  # fmt: skip
def test_what_is_absurd_is_refused_and_not_quoted(absurd: dict[str, Any]) -> None:
    for model, body in ((Changes, absurd), (Wanted, WHOLE | absurd)):
        with pytest.raises(ValidationError) as refused:
            model.model_validate(body)
        assert "input_value" not in str(refused.value)


@pytest.mark.parametrize("part", sorted(WHOLE))
def test_a_whole_wish_wants_every_part_and_none_null(part: str) -> None:
    for body in ({name: value for name, value in WHOLE.items() if name != part}, WHOLE | {part: None}):
        with pytest.raises(ValidationError):
            Wanted.model_validate(body)
    assert Changes.model_validate({part: None}).apply(KNOWN) == KNOWN, "of a part, null says nothing"


def test_a_minimum_above_the_target_is_refused_however_it_comes_about() -> None:
    with pytest.raises(ValidationError):
        Wanted.model_validate(WHOLE | {"min_soc_pct": 60, "target_soc_pct": 50})
    low = KNOWN.model_copy(update={"target_soc_pct": 40.0, "min_soc_pct": 30.0})
    for changes in (Changes(min_soc_pct=41), Changes(target_soc_pct=29), Changes(min_soc_pct=60, target_soc_pct=59)):
        with pytest.raises(ValueError, match="above the target"):
            changes.apply(low)
    assert Changes(min_soc_pct=40).apply(low).min_soc_pct == 40


def test_days_are_replaced_as_a_whole() -> None:
    known = Changes.model_validate({"ready_by_days": {"mon": "05:00", "sun": "10:00"}}).apply(KNOWN)
    assert Changes.model_validate({"ready_by_days": {"tue": "06:00"}}).apply(known).ready_by_days == {"tue": time(6)}
    assert Changes.model_validate({"ready_by_days": {}}).apply(known).ready_by_days == {}


@pytest.mark.parametrize(
    "device",
    [
        {"kind": "fcm", "token": "short"}, {"kind": "fcm", "token": "a b" * 20}, {"kind": "fcm", "token": "t" * 513},
        {"kind": "fcm", "token": "t" * 100, "more": 1},
    ],
)  # fmt: skip
def test_a_phone_is_named_by_its_token_alone(device: dict[str, Any]) -> None:
    assert FcmDevice(kind="fcm", token="t" * 100).token
    with pytest.raises(ValidationError):
        FcmDevice.model_validate(device)


@pytest.mark.parametrize(
    "changed", [{"endpoint": "file:///etc/passwd"}, {"endpoint": "https://x y"}, {"keys": {}}, {"more": 1}]
)
def test_a_browser_is_named_as_browsers_do(changed: dict[str, Any]) -> None:
    keys = {"p256dh": "B" * 87, "auth": "A" * 22}
    usual = {"endpoint": "https://push.example/x", "expirationTime": None, "keys": keys}
    assert WebPushDevice.model_validate({"kind": "webpush", "subscription": usual}).kind == "webpush"
    with pytest.raises(ValidationError):
        WebPushDevice.model_validate({"kind": "webpush", "subscription": usual | changed})
