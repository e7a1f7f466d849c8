"""The chart's renderings keep the rules that matter. Helm made them and kubeconform took them (`make packaging`).

Here is seen that nothing has changed since, and that Kubernetes' schemas and our own declarations agree.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import certifi
import kubernetes_validate
import pytest
import yaml

from agents.settings import Settings, load
from deploy import kubernetes
from deploy.acls import principals
from deploy.monitoring.catalogue import PROCESSES
from streams.topics import TELEMETRY, TOPICS
from tables import TABLES
from tests.packaging.golden import CASES, CHART, JUDGED, digest, manifests, rendering

Manifest = Mapping[str, Any]
RENDERED: dict[str, list[Manifest]] = {case: list(manifests(rendering(case).read_text())) for case in CASES}
ALL = [(case, one) for case, found in RENDERED.items() for one in found]
FIELDS = {f"D2EV_{name.upper()}" for name in Settings.model_fields}
#: What a bare cluster does not know.
FOREIGN = ("kafka.strimzi.io/v1", "keda.sh/v1alpha1", "monitoring.coreos.com/v1")


def pods(case: str) -> Iterator[tuple[str, Manifest]]:
    """Every pod's spec with the name of who makes it."""
    for one in RENDERED[case]:
        if one["kind"] in {"StatefulSet", "Deployment", "Job"}:
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]
        elif one["kind"] == "Pod":
            yield one["metadata"]["name"], one["spec"]


PODS = [(f"{case}/{name}", case, spec) for case in CASES for name, spec in pods(case)]
each_pod = pytest.mark.parametrize(("name", "case", "spec"), PODS, ids=[name for name, _, _ in PODS])


def of(case: str, kind: str, name: str) -> Manifest:
    (found,) = [one for one in RENDERED[case] if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def test_nothing_has_changed_since_it_was_judged() -> None:
    judged = json.loads(JUDGED.read_text())
    now = digest()
    changed = sorted(path for path in judged.keys() | now.keys() if judged.get(path) != now.get(path))
    assert not changed, "run `make packaging ARGS=--write`, look at the new renderings and commit them"


def test_kubernetes_takes_every_manifest() -> None:
    for case, manifest in ALL:
        if manifest["apiVersion"] not in FOREIGN:
            kubernetes_validate.validate(manifest, "1.37.0", strict=True)
        assert manifest["metadata"].get("namespace") is None, case


@each_pod
def test_every_pod_keeps_the_restricted_standard(name: str, case: str, spec: Manifest) -> None:
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert not [volume for volume in spec["volumes"] if "hostPath" in volume]


@each_pod
def test_no_service_puts_a_setting_into_a_pod(name: str, case: str, spec: Manifest) -> None:
    assert spec["enableServiceLinks"] is False, "a Service called d2ev-api would set D2EV_API_PORT=tcp://…"


def environment(case: str, spec: Manifest) -> dict[str, str]:
    """What a process is told, secrets replaced by plausible ones and files by one that exists."""
    container = spec["containers"][0]
    told: dict[str, str] = {}
    for source in container.get("envFrom", []):
        told |= of(case, "ConfigMap", source["configMapRef"]["name"])["data"]
    for one in container["env"]:
        told[one["name"]] = one["value"] if "value" in one else SECRETS[one["name"]]
    return told | ({"D2EV_KAFKA_CA": certifi.where()} if "D2EV_KAFKA_CA" in told else {})


KEY = b64encode(sha256(b"of a test").digest()).decode()
SECRETS = {
    "D2EV_SEAL_KEY": KEY,
    "D2EV_SEAL_KEYS_RETIRED": f'["{KEY}"]',
    "D2EV_OEM_APPS": "{}",
    "D2EV_FCM_KEY": "{}",
    "D2EV_VAPID_KEY": "x",
    "D2EV_FEED_KEYS": "{}",
    "D2EV_ISSUERS": '[{"issuer": "https://id.example", "audience": "ev"}]',
    "D2EV_FIRESTORE": "{}",
    "D2EV_KAFKA_PASSWORD": "secret",
    "D2EV_PSEUDONYM_KEY": KEY,
}


@each_pod
def test_every_process_takes_what_it_is_told(
    name: str, case: str, spec: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = environment(case, spec)
    assert told.keys() <= FIELDS
    for key, value in told.items():
        monkeypatch.setenv(key, value)
    settings = load()
    assert settings.health_port == 8099
    assert (settings.env == "production") == (case != "plain")


def test_secrets_come_from_secrets_and_only_to_who_needs_them() -> None:
    secret = kubernetes.secrets() | {"D2EV_KAFKA_PASSWORD"}
    for case, manifest in ALL:
        if manifest["kind"] == "ConfigMap":
            assert not secret & manifest["data"].keys(), case
    got = {
        name: {one["name"] for one in spec["containers"][0]["env"] if "valueFrom" in one} for name, spec in pods("most")
    }
    assert {name for name, keys in got.items() if "D2EV_FIRESTORE" in keys} == {"d2ev-bridge"}
    assert {name for name, keys in got.items() if "D2EV_FCM_KEY" in keys} == {"d2ev-worker"}
    assert {name for name, keys in got.items() if "D2EV_FEED_KEYS" in keys} == {"d2ev-feeds"}
    assert all("D2EV_SEAL_KEY" in keys for keys in got.values()), "production refuses to start without"


@pytest.mark.parametrize("case", CASES)
def test_probes_restart_nobody_for_an_outage_and_leave_time_to_recover(case: str) -> None:
    for name, spec in pods(case):
        container = spec["containers"][0]
        if spec.get("restartPolicy") == "Never":
            continue
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}, name
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}, name
        startup = container["startupProbe"]
        patience = startup["failureThreshold"] * startup["periodSeconds"]
        assert patience == (1800 if name.endswith("worker") else 300)
        assert spec["terminationGracePeriodSeconds"] > 25, "a worker ends within 25 s"


@pytest.mark.parametrize("case", CASES)
def test_selectors_find_the_pods_they_are_for(case: str) -> None:
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in RENDERED[case]
        if one["kind"] in {"StatefulSet", "Deployment"}
    }
    for one in RENDERED[case]:
        if one["kind"] in {"Service", "PodDisruptionBudget"}:
            wanted = one["spec"]["selector"].get("matchLabels", one["spec"]["selector"])
            assert [name for name, has in labels.items() if wanted.items() <= has.items()] == [one["metadata"]["name"]]


def test_every_process_has_the_name_that_alerts_know() -> None:
    monitor = of("most", "ServiceMonitor", "d2ev")
    assert monitor["spec"]["endpoints"][0]["relabelings"][0]["replacement"] == "d2ev-$1"
    found = {
        f"d2ev-{one['spec']['template']['metadata']['labels']['app.kubernetes.io/component']}"
        for one in RENDERED["most"]
        if one["kind"] in {"StatefulSet", "Deployment"}
    }
    assert found == PROCESSES.keys() | {"d2ev-queries"}


def test_workers_scale_slowly_and_never_beyond_the_partitions() -> None:
    scaled = of("most", "ScaledObject", "d2ev-worker")["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (4, 24)
    behaviour = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour["scaleDown"]["stabilizationWindowSeconds"] >= 1800
    (trigger,) = scaled["triggers"]
    told = trigger["metadata"]
    assert told["topic"] == TELEMETRY.name
    assert told["consumerGroup"] == "d2ev-24"
    assert told["ensureEvenDistributionOfPartitions"] == "true"
    assert told["sasl"] == "scram_sha512"
    assert all(isinstance(value, str) for value in told.values())
    assert "replicas" not in of("most", "StatefulSet", "d2ev-worker")["spec"], "two would set it"
    plain = of("plain", "ScaledObject", "d2ev-worker")["spec"]["triggers"][0]
    assert not {"sasl", "tls"} & plain["metadata"].keys()
    assert "authenticationRef" not in plain


def test_stores_are_in_a_folder_that_a_worker_may_rename() -> None:
    spec = of("least", "StatefulSet", "d2ev-worker")["spec"]["template"]["spec"]
    (mount,) = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "stores"]
    told = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
    assert told["D2EV_DATA_DIR"] == f"{mount['mountPath']}/data"


def test_nobody_reaches_more_than_dns_kafka_and_the_internet() -> None:
    policy = of("least", "NetworkPolicy", "d2ev")["spec"]
    assert [[port["port"] for port in rule["ports"]] for rule in policy["egress"]] == [[53, 53], [9093], [443]]
    blocks = policy["egress"][2]["to"]
    assert "169.254.0.0/16" in blocks[0]["ipBlock"]["except"], "the cloud's metadata service"
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    doors = {name: of("most", "NetworkPolicy", f"d2ev-{name}") for name in ("api", "bridge", "ingress", "queries")}
    opened = {name: one["spec"]["ingress"][0]["ports"][0]["port"] for name, one in doors.items()}
    settings = Settings()
    assert opened == {
        "api": settings.api_port,
        "bridge": settings.bridge_port,
        "ingress": settings.ingress_port,
        "queries": settings.queries_port,
    }


def test_each_process_logs_in_under_its_own_name() -> None:
    for name, spec in pods("most"):
        told = {one["name"]: one for one in spec["containers"][0]["env"]}
        login = {"d2ev-test": "d2ev-topics", "d2ev-queries": "d2ev-analyst"}.get(name, name)
        assert told["D2EV_KAFKA_USER"]["value"] == login
        assert told["D2EV_KAFKA_PASSWORD"]["valueFrom"]["secretKeyRef"] == {"name": login, "key": "password"}
    worker, guardian, feeds = (dict(pods("least"))[f"d2ev-{name}"] for name in ("worker", "guardian", "feeds"))
    logins = [
        next(one["value"] for one in spec["containers"][0]["env"] if one["name"] == "D2EV_KAFKA_USER")
        for spec in (worker, guardian, feeds)
    ]
    assert logins == ["key-1", "key-2", "d2ev-feeds"]


def test_strimzi_is_told_of_every_topic_and_everybody() -> None:
    declared = yaml.safe_load(
        (CHART / "files/kafka.yaml").read_text().replace(kubernetes.APP_ID, "ev").replace("@app@", "ev")
    )
    names = {topic.name for topic in TOPICS} | {table.changelog("ev") for table in TABLES}
    assert {one["name"] for one in declared["topics"]} == names
    assert {one["name"] for one in declared["users"]} == {one.name for one in principals("ev")}
    logins = {name.removeprefix("d2ev-") for name, _ in pods("most")} - {"test", "queries"}
    assert logins <= {one["name"] for one in declared["users"]}, "each process has its user"
    assert all(isinstance(value, str) for one in declared["topics"] for value in one["config"].values())


def test_an_expansion_keeps_its_rights_from_one_version_to_the_next() -> None:
    acls = [acl["resource"] for acl in of("most", "KafkaUser", "d2ev-worker")["spec"]["authorization"]["acls"]]
    assert ("group", "d2ev-24", "literal") in {(one["type"], one["name"], one["patternType"]) for one in acls}
    (managed,) = of("most", "KafkaUser", "d2ev-topics")["spec"]["authorization"]["acls"]
    assert managed["resource"] == {"type": "group", "name": "d2ev", "patternType": "prefix"}


def test_the_changelogs_of_a_version_are_found_by_its_id() -> None:
    topics = [one["metadata"] for one in RENDERED["most"] if one["kind"] == "KafkaTopic"]
    assert {topic["labels"]["d2ev.app-id"] for topic in topics} == {"d2ev-24"}
    assert all(topic["annotations"] == {"helm.sh/resource-policy": "keep"} for topic in topics)


def test_sample_and_real_files_have_the_same_form() -> None:
    kept = yaml.safe_load((JUDGED.parent / "files/kafka.yaml").read_text())
    real = yaml.safe_load((CHART / "files/kafka.yaml").read_text())
    for part in ("topics", "users"):
        assert {tuple(sorted(one)) for one in kept[part]} == {tuple(sorted(one)) for one in real[part]}
    acls = [{tuple(sorted(acl)) for one in told["users"] for acl in one["acls"]} for told in (kept, real)]
    assert acls[0] == acls[1]
    for folder in ("dashboards", "rules"):
        found = sorted((CHART / "files" / folder).iterdir())
        assert found == sorted((CHART / "files" / folder).glob("*.json" if folder == "dashboards" else "d2ev.yaml"))
