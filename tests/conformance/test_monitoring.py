"""Alerts, dashboards and runbooks hold to what the processes export; Prometheus' own promtool judges the rules."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.monitoring.catalogue import PROCESSES
from tests.architecture.product import ROOT
from tests.conformance.alert_cases import CASES, Case
from tests.conformance.exported import complaints

MONITORING = ROOT / "deploy" / "monitoring"
RULES = MONITORING / "rules" / "d2ev.yaml"
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
ALERTS: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
NAMES = sorted({rule["alert"] for rule in ALERTS})
EACH_ALERT = pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus' own judge of rules; in CI it has to be there."""
    found = shutil.which("promtool")
    if found is None:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say("NOT RUN: promtool is missing, the alert rules were not judged (Debian: apt-get install prometheus)")
    return str(found)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def promtool_test(case: Case) -> dict[str, Any]:
    """A case as promtool takes it: how many alerts of the name fire at its time, and that a share told is one."""
    firing = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}}) or vector(0)'
    expected = [{"labels": "{}", "value": case.firing}]
    asked = [{"expr": firing, "eval_time": f"{case.minutes}m", "exp_samples": expected}]
    for rule in ALERTS:
        if rule["alert"] == case.alert and "humanizePercentage" in rule["annotations"]["description"]:
            no_share = f"count(({rule['expr']}) > 1) or vector(0)"
            none = [{"labels": "{}", "value": 0}]
            asked.append({"expr": no_share, "eval_time": f"{case.minutes}m", "exp_samples": none})
    return {
        "name": f"{case.alert}: {case.says}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": asked,
    }


def test_promtool_finds_nothing_in_rules_and_configuration(promtool: str) -> None:
    assert run(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(RULES)) == ""
    assert run(promtool, "check", "config", str(MONITORING / "prometheus.yml")) == ""


def test_alerts_fire_when_they_should_and_only_then(promtool: str, tmp_path: Path) -> None:
    files = []
    for name in NAMES:  # each alone: a case then costs one rule, not all
        own = [rule for rule in ALERTS if rule["alert"] == name]
        rules, file = tmp_path / f"{name}.rules.json", tmp_path / f"{name}.json"
        rules.write_text(json.dumps({"groups": [{"name": name, "rules": own}]}))
        tests = [promtool_test(case) for case in CASES if case.alert == name]
        file.write_text(json.dumps({"rule_files": [rules.name], "evaluation_interval": "1m", "tests": tests}))
        files.append(str(file))
    assert run(promtool, "test", "rules", *files) == ""


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    assert {case.alert for case in CASES if case.firing} == set(NAMES)
    assert {case.alert for case in CASES if not case.firing} == set(NAMES)


@EACH_ALERT
def test_an_alert_names_only_what_is_exported(rule: dict[str, Any]) -> None:
    assert complaints(rule["expr"]) == []


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("d2ev_cars_hold > 0", "no process exports d2ev_cars_hold"),
        ("d2ev_commands > 0", "no process exports d2ev_commands"),
        ('d2ev_commands_total{maker="x"}', "d2ev_commands_total has no label maker"),
        ("sum by (region) (d2ev_cars)", "nothing here has the label region"),
        ('sum by (oem) (up{job="d2ev-worker"})', "nothing here has the label oem"),
    ],
)
def test_what_nobody_exports_is_found(expression: str, complaint: str) -> None:
    assert complaints(expression) == [complaint]


@EACH_ALERT
def test_an_alert_says_what_hurts_how_much_and_what_to_do(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"D2ev([A-Z][a-z]+)+", rule["alert"])
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    said = rule["annotations"]
    assert said.keys() == {"summary", "description", "runbook_url"}
    assert said["summary"][-1] != "."
    assert said["description"][-1] == "."
    assert len(said["summary"]) <= 60
    assert "for" in rule or "increase(" in rule["expr"], "who fires at once looks back over a while"
    page = "-".join(re.findall("[A-Z][a-z]+", rule["alert"].removeprefix("D2ev"))).lower()
    assert said["runbook_url"] == f"docs/runbooks/{page}.md"
    assert (ROOT / said["runbook_url"]).is_file()


def test_there_is_a_runbook_for_every_alert_and_none_besides() -> None:
    pages = {page.relative_to(ROOT).as_posix() for page in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert pages == {rule["annotations"]["runbook_url"] for rule in ALERTS}


def test_prometheus_asks_the_processes_by_the_names_that_the_rules_know() -> None:
    text = (MONITORING / "prometheus.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"job_name: (\S+)", text)) == set(PROCESSES)
