"""Settings are right or the start is refused in one line; secrets are bound to their place; logs show neither."""

import json
import subprocess
import sys
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.sealing import Sealer, Unsealable, new_key
from agents.settings import BadSettings, load
from deploy.logs import redact

KEY = new_key()
#: One that nobody uses.
GOOD = "q3x0Uo0m6K0v1fV5b9nJ2yQeT7dLr8sWc4hZpXaGiEY="


@pytest.mark.parametrize(
    ("name", "value"), [("bootstrap", "nowhere"), ("partitions", "0"), ("partitions", "many"), ("env", "prod")]
)
def test_a_bad_value_is_refused_in_one_line_that_names_the_setting_and_not_the_value(name: str, value: str) -> None:
    with pytest.raises(BadSettings) as refused:
        load({}, **{name: value})
    line = str(refused.value)
    assert line.startswith(f"D2EV_{name.upper()}: ")
    assert "\n" not in line


def test_the_worker_command_ends_with_code_2_and_one_line() -> None:
    environ = {"D2EV_BOOTSTRAPS": "x:1", "PATH": "/usr/bin:/bin"}
    run = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "worker"], env=environ, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    said = "no such setting; is it D2EV_BOOTSTRAP? `d2ev doctor --settings` lists them"
    assert run.stderr == f"d2ev: D2EV_BOOTSTRAPS: {said}\n"


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"replication": 1}, "D2EV_REPLICATION"),
        ({"kafka_protocol": "PLAINTEXT"}, "D2EV_KAFKA_PROTOCOL"),
        ({"oem_urls": {"simulator": "http://127.0.0.1:8200"}}, "D2EV_OEM_URLS"),
        ({"feed_urls": {"octopus": "http://127.0.0.1:1"}}, "D2EV_FEED_URLS"),
        ({"firestore_url": "http://127.0.0.1:1"}, "D2EV_FIRESTORE_URL"),
        ({"fcm_url": "http://127.0.0.1:1"}, "D2EV_FCM_URL"),
        ({"seal_key": None}, "D2EV_SEAL_KEY"),
        ({"seal_key": "A" * 43 + "="}, "D2EV_SEAL_KEY"),
        ({"seal_key": b64encode(b"secret" * 6)[:43].decode() + "="}, "D2EV_SEAL_KEY"),
        ({"seal_key": b64encode(load({}).seal_key_bytes()).decode()}, "D2EV_SEAL_KEY"),
        ({"seal_keys_retired": ["A" * 43 + "="]}, "D2EV_SEAL_KEY"),
        ({"oem_urls": {"simulator": "https://cars.example"}}, "D2EV_OEM_URLS"),
        ({"oem_apps": {"simulator": {"client_id": "x"}}}, "D2EV_OEM_URLS"),
        ({"clock": "log"}, "D2EV_CLOCK"),
        ({"api_url": "http://localhost:8095"}, "D2EV_API_URL"),
        ({"issuers": [{"issuer": "http://127.0.0.1:9", "audience": "d2ev"}]}, "D2EV_ISSUERS"),
        (
            {"issuers": [{"issuer": "https://a.example", "audience": "d", "jwks": "http://127.0.0.1:9"}]},
            "D2EV_ISSUERS",
        ),
        (
            {"issuers": [{"issuer": "http://127.0.0.1:9", "audience": "d", "jwks": "https://a.example"}]},
            "D2EV_ISSUERS",
        ),
    ],
)
def test_production_refuses_shortcuts(changes: dict[str, object], setting: str) -> None:
    good: dict[str, object] = {"env": "production", "replication": 3, "seal_key": GOOD, "clock": "system"}
    good |= {"kafka_protocol": "SSL"}
    assert load({}, **good).env == "production"
    with pytest.raises(BadSettings, match=f"^{setting}: production"):
        load({}, **{**good, **changes})


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"issuers": [{"issuer": "https://a.example", "audience": "d"}] * 2}, "D2EV_ISSUERS"),
        (
            {"issuers": [{"issuer": f"https://{name}.example", "audience": "d", "prefix": "x"} for name in "ab"]},
            "D2EV_ISSUERS",
        ),
        ({"api_url": "http://d2ev.example"}, "D2EV_API_URL"),
        ({"api_url": "https://d2ev.example/path"}, "D2EV_API_URL"),
        ({"api_url": "https://["}, "D2EV_API_URL"),
        ({"api_url": "d2ev.example"}, "D2EV_API_URL"),
        ({"api_url": "https://d2ev.example?a=b"}, "D2EV_API_URL"),
        ({"api_url": "https://somebody@d2ev.example"}, "D2EV_API_URL"),
    ],
)
def test_what_drivers_could_not_use_is_refused(changes: dict[str, object], setting: str) -> None:
    with pytest.raises(BadSettings, match=f"^{setting}: "):
        load({}, **changes)


@pytest.mark.parametrize("given", ["https://d2ev.example", "https://D2EV.example:443/"])
def test_the_address_is_kept_as_browsers_write_it(given: str) -> None:
    assert load({}, api_url=given).api_url == "https://d2ev.example"


@given(st.binary(max_size=200), st.text(max_size=30))
def test_sealed_bytes_open_under_their_own_context_only(plain: bytes, context: str) -> None:
    sealed = Sealer(KEY).seal(plain, context)
    assert Sealer(KEY).open(sealed, context) == plain
    with pytest.raises(Unsealable):
        Sealer(KEY).open(sealed, context + "x")
    with pytest.raises(Unsealable):
        Sealer(new_key()).open(sealed, context)


@given(st.text(max_size=60))
def test_what_was_never_sealed_does_not_open_and_is_not_quoted(text: str) -> None:
    with pytest.raises(Unsealable) as refused:
        Sealer(KEY).open(text, "grant|acct")
    assert str(refused.value) == "cannot open what was sealed for grant"


@pytest.mark.parametrize(
    ("event", "secret"),
    [
        ({"refresh_token": "rt-123"}, "rt-123"),
        ({"authorization": "Bearer abc.def"}, "abc.def"),
        ({"event": "GET /x?code=4711&state=1"}, "4711"),
        ({"event": "sent Authorization: Bearer abc.def-1"}, "abc.def-1"),
        ({"exception": "KeyError: 'refresh_token=rt-123'"}, "rt-123"),
        ({"event": "car WVWZZZ1KZAW123456 sleeps"}, "WVWZZZ1KZAW123456"),
        ({"lat": 52.52, "lon": 13.4}, "52.5"),
        ({"details": {"refresh_token": "rt-123"}}, "rt-123"),
        ({"details": ["Bearer abc.def"]}, "abc.def"),
        ({"error": ValueError("refresh_token=rt-123")}, "rt-123"),
    ],
)
def test_logs_hide_secrets_wherever_they_stand(event: dict[str, object], secret: str) -> None:
    assert secret not in json.dumps(redact(None, "info", event), default=str)


def test_logs_keep_what_is_no_secret() -> None:
    event = {"event": "record refused", "stage": "planning", "offset": 17, "latency_seconds": 0.5}
    assert redact(None, "info", dict(event)) == event


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("D2EV_KAFKA_CAA", "no such setting; is it D2EV_KAFKA_CA? `d2ev doctor --settings` lists them"),
        ("D2EV_SEALKEY", "no such setting; is it D2EV_SEAL_KEY? `d2ev doctor --settings` lists them"),
        ("D2EV_BOOTSTRAPS", "no such setting; is it D2EV_BOOTSTRAP? `d2ev doctor --settings` lists them"),
        ("D2EV_", "no such setting; `d2ev doctor --settings` lists them"),
        ("D2EV_SOMETHING", "no such setting; `d2ev doctor --settings` lists them"),
    ],
)
def test_a_misspelt_setting_is_told_apart(name: str, said: str) -> None:
    with pytest.raises(BadSettings) as refusal:
        load({name: "x"})
    assert str(refusal.value) == f"{name}: {said}"
