"""A schema registry is given every message's schema once, says what it refuses, and is never written to by looking.

With D2EV_TEST_SCHEMA_REGISTRY=http://… the verdicts are those of a real registry.
"""

import copy
import json
import os
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import pytest
import respx

from agents.settings import BadSettings, load
from deploy import schemas
from deploy.schema_registry import RegistryTrouble, SchemaRegistry, client
from streams import json_schemas
from streams.topics import PLUG, TOPICS
from tests.command_line import Ran, run
from tests.registry_fake import FakeRegistry, Schema

REAL = os.environ.get("D2EV_TEST_SCHEMA_REGISTRY")
SEAL_KEY = "q3x0Uo0m6K0v1fV5b9nJ2yQeT7dLr8sWc4hZpXaGiEY="
URL = "http://127.0.0.1:8081"
PROMISED = "FORWARD_TRANSITIVE"
#: Fields that every test's message has.
BASE = json_schemas.of(PLUG)

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def fake() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
def registry(fake: FakeRegistry) -> Iterator[SchemaRegistry]:
    with client(REAL or URL, load({})) as http:
        if not REAL:
            http._transport = httpx.MockTransport(fake)
        yield SchemaRegistry(REAL or URL, http)


@pytest.fixture
def publishes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Schema], None]:
    """Says which schema this version of ours publishes, of one topic that no other test knows."""
    topic = f"d2ev.test-{uuid4()}.v1"
    return lambda schema: monkeypatch.setattr(json_schemas, "published", lambda: {topic: schema})


def states(lines: Iterator[schemas.Line]) -> list[str]:
    return [line.state for line in lines]


def with_a_field() -> Schema:
    schema = copy.deepcopy(BASE)
    schema["properties"]["odometer_km"] = {"type": "number"}
    return schema


def with_a_field_that_must_be() -> Schema:
    schema = with_a_field()
    schema["required"].append("odometer_km")
    return schema


def with_another_type() -> Schema:
    schema = copy.deepcopy(BASE)
    schema["properties"]["confidence"] = {"type": "string"}
    return schema


def with_a_word() -> Schema:
    schema = copy.deepcopy(BASE)
    schema["definitions"]["Evidence"]["enum"].append("hearsay")
    return schema


def without_a_required_field() -> Schema:
    schema = copy.deepcopy(BASE)
    del schema["properties"]["confidence"]
    schema["required"].remove("confidence")
    return schema


@pytest.mark.parametrize(
    ("changed", "level", "state"),
    [
        (with_a_field, PROMISED, "new"),
        (with_a_field_that_must_be, PROMISED, "new"),
        (with_another_type, PROMISED, "refused"),
        (with_a_word, PROMISED, "refused"),
        (without_a_required_field, PROMISED, "refused"),
        # Why our level is not the registries' default: their rules take a message open to any field at its word.
        (with_a_field, "BACKWARD", "refused"),
        (with_a_field_that_must_be, "BACKWARD", "refused"),
        (with_another_type, "BACKWARD", "refused"),
        (with_a_word, "BACKWARD", "new"),
        (with_a_field, "NONE", "new"),
    ],
)
def test_a_change_is_judged_as_registries_do_and_a_rehearsal_says_so_before(
    registry: SchemaRegistry,
    publishes: Callable[[Schema], None],
    changed: Callable[[], Schema],
    level: str,
    state: str,
) -> None:
    publishes(BASE)
    assert states(schemas.publish(registry, level)) == ["level", "new"]
    publishes(changed())
    assert states(schemas.rehearse(registry, level)) == [state]
    assert states(schemas.check(registry)) == ["differs"]
    (line,) = schemas.publish(registry, level)
    assert (line.state, line.well) == (state, state != "refused")
    assert "\n" not in str(line)
    assert states(schemas.check(registry)) == (["differs"] if state == "refused" else ["same"])


def test_what_is_there_is_not_given_again(registry: SchemaRegistry, publishes: Callable[[Schema], None]) -> None:
    publishes(BASE)
    assert states(schemas.check(registry)) == ["missing"]
    assert states(schemas.publish(registry, PROMISED)) == ["level", "new"]
    assert states(schemas.publish(registry, PROMISED)) == ["same"]
    publishes(with_a_field())
    assert states(schemas.publish(registry)) == ["new"]
    assert states(schemas.check(registry)) == ["same"]
    publishes(BASE)  # an older version of ours looks at the registry
    assert states(schemas.check(registry)) == ["newer"]
    assert states(schemas.publish(registry)) == ["same"]


def test_looking_and_rehearsing_write_nothing(fake: FakeRegistry) -> None:
    http = httpx.Client(transport=httpx.MockTransport(fake), headers=client(URL, load({})).headers)
    asked = SchemaRegistry(URL, http)
    assert {line.state for line in schemas.rehearse(asked, PROMISED)} == {"level", "new"}
    assert {line.state for line in schemas.check(asked)} == {"missing"}
    assert fake.writes == 0


def test_the_judgement_under_a_level_that_is_not_set_yet_is_left_open(
    registry: SchemaRegistry, publishes: Callable[[Schema], None]
) -> None:
    publishes(BASE)
    assert states(schemas.publish(registry)) == ["new"]
    publishes(with_a_field())
    level, new = schemas.rehearse(registry, PROMISED)
    assert (level.remark, new.remark.partition(":")[0]) == ("FORWARD_TRANSITIVE, not set yet", "not judged")


def told(capsys: Capture, fake: FakeRegistry, *arguments: str) -> Ran:
    with respx.mock(using="httpx", assert_all_called=False) as mocked:
        mocked.route(host="127.0.0.1").mock(side_effect=fake)
        return run(capsys, "schemas", *arguments, "--registry", URL)


def test_the_command_gives_every_published_topic(capsys: Capture, fake: FakeRegistry) -> None:
    assert told(capsys, fake, "publish").code == 0
    assert set(fake.subjects) == {f"{topic.name}-value" for topic in TOPICS if topic.public}
    given = json.loads(fake.subjects[f"{PLUG.name}-value"][0])
    assert given == BASE
    assert told(capsys, fake, "check").code == 0


def test_a_refusal_is_the_registry_s_words_and_exit_code_1(capsys: Capture, fake: FakeRegistry) -> None:
    fake.subjects[f"{PLUG.name}-value"] = [json.dumps(with_another_type())]
    ended = told(capsys, fake, "publish")
    assert ended.code == 1
    (refused,) = [line for line in ended.out.splitlines() if line.startswith("refused")]
    assert "TYPE_CHANGED at /confidence" in refused
    assert len(fake.subjects) == sum(topic.public for topic in TOPICS), "one refusal keeps no other from being given"
    assert told(capsys, fake, "check").code == 1


def test_a_frozen_registry_is_said_in_its_words(capsys: Capture, fake: FakeRegistry) -> None:
    fake.read_only = True
    ended = told(capsys, fake, "publish")
    assert (ended.code, "is in read-only mode" in ended.out) == (1, True)


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"USER": "platform", "PASSWORD": "word-4711"}, "Basic cGxhdGZvcm06d29yZC00NzEx"),
        ({"TOKEN": "token-4711"}, "Bearer token-4711"),
    ],
)
def test_a_login_is_sent_and_never_shown(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], header: str
) -> None:
    fake = FakeRegistry(login=header)
    refused = told(capsys, fake, "check")
    assert (refused.code, "refuses us: Unauthorized" in refused.err, refused.err.count("\n")) == (1, True, 1)
    for name, value in settings.items():
        monkeypatch.setenv(f"D2EV_SCHEMA_REGISTRY_{name}", value)
    ended = told(capsys, fake, "publish")
    assert ended.code == 0
    assert "4711" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("http://registry.example:8081", {}),
        ("registry.example", {}),
        (
            URL,
            {
                "env": "production",
                "kafka_protocol": "SSL",
                "replication": 3,
                "seal_key": SEAL_KEY,
            },
        ),
        ("https://registry.example", {"schema_registry_user": "platform"}),
        ("https://registry.example", {"schema_registry_password": "word"}),
        (
            "https://registry.example",
            {"schema_registry_user": "a", "schema_registry_password": "b", "schema_registry_token": "c"},
        ),
    ],
)
def test_no_login_travels_in_clear_and_no_half_of_one_is_taken(url: str, given: dict[str, object]) -> None:
    with pytest.raises(BadSettings) as refusal:
        client(url, load({}, **given))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(500, json={"error_code": 50001, "message": "Error in the backend\ndatastore"}),
        httpx.Response(502, text="<html>Bad Gateway</html>"),
        httpx.Response(404, text="no such page"),
        httpx.Response(404, json={"error_code": 404, "message": "HTTP 404 Not Found"}),
        httpx.Response(200, text="<html>Sign in</html>"),
        httpx.Response(302, headers={"Location": "https://elsewhere.example"}),
    ],
    ids=str,
)
def test_what_is_no_registry_is_one_line(answer: Exception | httpx.Response) -> None:
    def answered(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with httpx.Client(transport=httpx.MockTransport(answered)) as http, pytest.raises(RegistryTrouble) as trouble:
        list(schemas.check(SchemaRegistry(URL, http)))
    assert URL in str(trouble.value)
    assert "\n" not in str(trouble.value)
