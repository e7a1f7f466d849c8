"""The self-check names cause and remedy, and never lets one trouble hide another."""

from pathlib import Path

import httpx
import pytest
import respx

from deploy import doctor
from deploy.doctor import Finding, examine
from deploy.fakes.firestore import FakeFirestore
from oem_connectors.simulator import CONNECTOR

NO_KAFKA = "127.0.0.1:1"


@pytest.fixture
def cloud() -> respx.Router:
    """No OEM and no worker answers, unless a test says so."""
    router = respx.Router(assert_all_called=False)
    router.route().mock(side_effect=httpx.ConnectError("refused"))
    return router


def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, router: respx.Router, **settings: str) -> list[Finding]:
    given = {"D2EV_BOOTSTRAP": NO_KAFKA, "D2EV_DATA_DIR": str(tmp_path / "data"), **settings}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(doctor, "_SECONDS", 0.2)
    with respx.mock(using="httpx", assert_all_called=False) as mocked:
        mocked.routes = router.routes
        return examine()


def levels(findings: list[Finding]) -> dict[str, str]:
    worst: dict[str, str] = {}
    for finding in findings:
        worst[finding.check] = max(worst.get(finding.check, ""), finding.level, key=["", "ok", "warn", "fail"].index)
    return worst


def test_one_trouble_does_not_hide_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cloud: respx.Router
) -> None:
    assert levels(found(monkeypatch, tmp_path, cloud)) == {
        "python": "ok", "wheels": "ok", "names": "ok", "settings": "ok", "kafka": "fail", "seal key": "warn",
        "data dir": "ok", "oem simulator": "warn", "push": "ok", "worker": "warn",
    }  # fmt: skip


def test_every_trouble_has_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cloud: respx.Router) -> None:
    findings = found(monkeypatch, tmp_path, cloud)
    assert [finding for finding in findings if (finding.level == "ok") is bool(finding.fix)] == []


def test_bad_settings_are_the_finding_and_end_the_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D2EV_PARTITIONS", "many")
    last = examine()[-1]
    assert (last.check, last.level) == ("settings", "fail")
    assert last.detail.startswith("D2EV_PARTITIONS: ")


def test_a_seal_key_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cloud: respx.Router) -> None:
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    findings = found(monkeypatch, tmp_path, cloud, D2EV_SEAL_KEY=key)
    assert levels(findings)["seal key"] == "ok"
    assert key not in " ".join(finding.detail for finding in findings)


def test_retired_seal_keys_are_to_be_dropped_one_day(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cloud: respx.Router
) -> None:
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    findings = found(monkeypatch, tmp_path, cloud, D2EV_SEAL_KEY=key, D2EV_SEAL_KEYS_RETIRED=f'["{key}"]')
    assert levels(findings)["seal key"] == "warn"
    assert key not in " ".join(finding.detail for finding in findings)


@pytest.mark.parametrize("key", ["c2hvcnQ=", "not base64!"])
def test_a_seal_key_is_32_bytes(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("D2EV_SEAL_KEY", key)
    last = examine()[-1]
    assert (last.check, last.level) == ("settings", "fail")
    assert last.detail.startswith("D2EV_SEAL_KEY: ")
    assert key not in last.detail


def test_a_data_dir_that_is_a_file_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cloud: respx.Router) -> None:
    (tmp_path / "data").write_text("not a folder")
    assert levels(found(monkeypatch, tmp_path, cloud))["data dir"] == "fail"


def test_an_oem_address_that_was_given_must_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cloud: respx.Router
) -> None:
    findings = found(monkeypatch, tmp_path, cloud, D2EV_OEM_URLS='{"simulator": "https://oem.test"}')
    assert levels(findings)["oem simulator"] == "fail"


def test_an_oem_nobody_knows_is_named_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cloud: respx.Router
) -> None:
    findings = found(monkeypatch, tmp_path, cloud, D2EV_OEM_URLS='{"simulatr": "https://oem.test"}')
    assert any(f.level == "fail" and "'simulatr'; there are " in f.detail for f in findings)


@pytest.mark.parametrize(
    ("settings", "level", "said"),
    [
        pytest.param({"D2EV_OEM_APPS": '{"enode": {"client_id": "x"}}'}, "warn", "hook_secret", id="no secret"),
        pytest.param({"D2EV_OEM_STREAMS": '{"enode": "here:1/x"}'}, "fail", "no stream", id="no stream"),
    ],
)
def test_a_maker_that_could_tell_by_itself_and_is_not_let_is_found(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    cloud: respx.Router,
    settings: dict[str, str],
    level: str,
    said: str,
) -> None:
    found_here = [one for one in found(monkeypatch, tmp_path, cloud, **settings) if said in one.detail]
    assert [(one.check, one.level) for one in found_here] == [("oem enode", level)]


def test_with_its_secret_a_hook_is_no_finding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cloud: respx.Router
) -> None:
    findings = found(monkeypatch, tmp_path, cloud, D2EV_OEM_APPS='{"enode": {"hook_secret": "marker-5528"}}')
    assert "hook_secret" not in str(findings)
    assert "marker-5528" not in str(findings)


@pytest.mark.parametrize(
    ("key", "level", "said"),
    [
        pytest.param(FakeFirestore().key_file("http://127.0.0.1:1"), "ok", "d2ev-status of d2ev-test", id="a key"),
        pytest.param('{"private_key": "marker-5528"}', "fail", "type: Field required", id="no key file"),
    ],
)
def test_where_a_bridge_would_write_is_told_without_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cloud: respx.Router, key: str, level: str, said: str
) -> None:
    findings = found(monkeypatch, tmp_path, cloud, D2EV_FIRESTORE=key)
    (finding,) = [one for one in findings if one.check == "firestore"]
    assert (finding.level, said in finding.detail) == (level, True)
    assert "marker-5528" not in str(findings)
    assert "PRIVATE" not in str(findings)


@pytest.mark.parametrize(
    ("status", "level"), [pytest.param(200, "ok", id="ready"), pytest.param(503, "warn", id="not ready")]
)
def test_a_worker_that_answers_is_asked_whether_it_is_ready(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, level: str
) -> None:
    router = respx.Router(assert_all_called=False)
    router.get("http://127.0.0.1:8099/readyz").respond(status)
    router.route().respond(404)
    assert levels(found(monkeypatch, tmp_path, router))["worker"] == level


def test_a_clock_that_is_off_is_noticed_by_the_date_of_an_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    router = respx.Router(assert_all_called=False)
    router.get(CONNECTOR.hosts["api"]).respond(404, headers={"Date": "Sun, 26 Mar 2023 01:00:00 GMT"})
    router.route().mock(side_effect=httpx.ConnectError("refused"))
    findings = found(monkeypatch, tmp_path, router)
    assert levels(findings) | {"oem simulator": "ok", "clock": "warn"} == levels(findings)


@pytest.mark.parametrize(
    ("given", "level", "detail"),
    [
        ({}, "ok", "no way is set up: drivers are told in the app"),
        ({"D2EV_VAPID_CONTACT": "mailto:a@b"}, "fail", "D2EV_VAPID_KEY: there is a contact but no key"),
        ({"D2EV_VAPID_KEY": "AAAA", "D2EV_VAPID_CONTACT": "mailto:a@b"}, "fail", "D2EV_VAPID_KEY: give base64url"),
        ({"D2EV_FCM_KEY": "{}"}, "fail", "D2EV_FCM_KEY: type: Field required"),
        ({"D2EV_VAPID_KEY": "B" * 43, "D2EV_VAPID_CONTACT": "mailto:a@b"}, "ok", "browsers are told by Web Push"),
    ],
)
def test_it_says_how_drivers_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cloud: respx.Router, given: dict[str, str], level: str, detail: str
) -> None:
    (finding,) = [one for one in found(monkeypatch, tmp_path, cloud, **given) if one.check == "push"]
    assert finding.level == level
    assert finding.detail.startswith(detail)
    assert "AAAA" not in finding.detail
