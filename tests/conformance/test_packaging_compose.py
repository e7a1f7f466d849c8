"""compose.yaml keeps the rules that matter, and Docker's own reader has taken it (`make packaging`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.settings import Settings, load
from deploy.monitoring.catalogue import PROCESSES
from tests.dockerfile import DOCKERFILE, ROOT, stages

FILE = ROOT / "deploy/compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("${D2EV_IMAGE")}
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose-prometheus.yaml").read_text())
FINAL = stages(DOCKERFILE.read_text())[-1]


def value(text: str | None) -> str | None:
    """As Compose fills in `${NAME:-default}` when nothing is set."""
    return None if text is None else re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_every_process_of_ours_is_there() -> None:
    assert set(OURS) == {"topics", *(job.removeprefix("d2ev-") for job in PROCESSES)}
    assert SERVICES["worker"]["deploy"]["replicas"] == 3


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys()
    assert not {"privileged", "network_mode", "pid", "ipc", "cap_add", "devices", "user"} & service.keys()
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert name == "kafka" or service["read_only"]


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_exact_and_everybody_tells_how_he_is(name: str) -> None:
    if name in OURS:
        assert FINAL.all("HEALTHCHECK")
        assert name == "topics" or "healthcheck" not in SERVICES[name]
        return
    assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", OURS)
def test_settings_exist_and_are_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = SERVICES[name]["environment"].items()
    given = {key: value(text) for key, text in told if key != "TMPDIR"}
    assert given.keys() <= {f"D2EV_{field.upper()}" for field in Settings.model_fields}
    for key, text in given.items():
        if text is not None:
            monkeypatch.setenv(key, text)
    load()
    secret = {
        f"D2EV_{key.upper()}" for key, field in Settings.model_fields.items() if "Secret" in str(field.annotation)
    }
    assert not any(given[key] for key in secret & given.keys()), "a secret is written down"
    assert given["D2EV_BOOTSTRAP"] == "kafka:19092"


def test_topics_come_before_those_who_need_them_and_kafka_before_all() -> None:
    assert SERVICES["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    for name in OURS.keys() - {"topics"}:
        assert OURS[name]["depends_on"] == {"topics": {"condition": "service_completed_successfully"}}


def test_what_is_mounted_exists_and_cannot_be_written() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    for mount in mounts:
        source, target, *mode = (value(mount) or "").split(":")
        if source.startswith("."):
            assert (FILE.parent / source).exists(), source
            assert mode == ["ro"], target
        else:
            assert source in COMPOSE["volumes"], source


def test_workers_share_no_store() -> None:
    assert "volumes" not in SERVICES["worker"], "a named volume would be one for all replicas; the image's is one each"
    assert Path(FINAL.all("VOLUME")[0].rest) == Path("/var/lib/d2ev")
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > 25, "a worker ends within 25 s"


def test_prometheus_asks_every_process_under_the_names_that_alerts_know() -> None:
    jobs = {job["job_name"]: job["dns_sd_configs"][0] for job in PROMETHEUS["scrape_configs"]}
    assert set(jobs) == set(PROCESSES)
    for job, found in jobs.items():
        assert found["names"] == [job.removeprefix("d2ev-")]
        assert found["port"] == Settings().health_port
    assert PROMETHEUS["rule_files"] == ["rules/*.yaml"]
