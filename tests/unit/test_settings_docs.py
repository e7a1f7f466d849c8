"""The settings as people see them: all of them, with the values in force, and no secret among them."""

import json

import pytest

from agents.settings import PREFIX, BadSettings, Settings, load
from deploy.setting_rows import MASK, setting_rows


def test_every_setting_has_a_row_and_a_type() -> None:
    rows = setting_rows({})
    assert [row.name for row in rows] == [PREFIX + name.upper() for name in Settings.model_fields]
    assert all(row.kind for row in rows)


def test_the_defaults_shown_are_the_defaults_used() -> None:
    given = {row.name: row.default for row in setting_rows({}) if row.default}
    assert load({}) == Settings.model_validate(
        {
            name.removeprefix(PREFIX).lower(): json.loads(value) if value[0] in "{[" else value
            for name, value in given.items()
        }
    )


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        pytest.param("D2EV_PARTITIONS", "12", "12", id="plain"),
        pytest.param("D2EV_SEAL_KEY", "c2VjcmV0", MASK, id="secret"),
        pytest.param("d2ev_seal_key", "c2VjcmV0", MASK, id="secret in small letters"),
        pytest.param("D2EV_OEM_URLS", '{"x": "https://me:pw@oem/"}', f'{{"x": "https://{MASK}@oem/"}}', id="login"),
        pytest.param("D2EV_OEM_APPS", '{"x": {"client_secret": "s"}}', MASK, id="secrets by maker"),
        pytest.param("D2EV_FEED_KEYS", '{"x": {"api_key": "s"}}', MASK, id="keys of feeds"),
        pytest.param("D2EV_ISSUERS", '[{"client_secret": "s"}]', MASK, id="a secret among other things"),
        pytest.param("D2EV_PARTITIONS", "many", "many", id="not valid, still shown"),
    ],
)
def test_a_given_value_is_shown_and_a_secret_is_not(name: str, value: str, shown: str) -> None:
    found = next(row for row in setting_rows({name: value}) if row.name == name.upper())
    assert found.given
    assert found.value == shown


def test_a_secret_that_is_not_set_is_not_masked() -> None:
    found = next(row for row in setting_rows({}) if row.name == "D2EV_SEAL_KEY")
    assert (found.value, found.default, found.given) == ("", "", False)


def test_a_refused_name_points_at_the_list() -> None:
    with pytest.raises(BadSettings, match=r"^D2EV_PARTITION: no such setting; .*doctor"):
        load({"D2EV_PARTITION": "3"})
