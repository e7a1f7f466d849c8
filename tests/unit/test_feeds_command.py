"""`d2ev feeds`: a recorded answer as JSON, a round without Kafka as lines, and what is wrong in one line."""

import json
from pathlib import Path

import pytest

from agents.feeds.sources import SOURCES
from agents.settings import load
from deploy import doctor
from tests.command_line import run

SAMPLES = Path(__file__).parents[1] / "data" / "feeds"
FEEDS = """
[[price]]
tariff = "economy"
energy = [{ from = 00:30:00, to = 04:30:00, per_kwh = 0.09 }, { per_kwh = 0.24 }]
[price.retail]
currency = "GBP"
zone = "Europe/London"

[[price]]
tariff = "nl"
source = "entsoe"
params = { area = "10YNL----------L" }
"""


def test_a_recorded_answer_is_read_as_the_process_would(capsys: pytest.CaptureFixture[str]) -> None:
    sample = str(SAMPLES / "carbon" / "national_2020-01-01_02.json")
    ran = run(capsys, "feeds", "read", "neso", sample, "--start", "2020-01-01T00:00Z", "--end", "2020-01-01T01:00Z")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert (told["kind"], told["unit"], told["basis"], told["final"]) == ("carbon", "gCO2/kWh", "average", True)
    assert [slot["start"] for slot in told["slots"]] == ["2020-01-01T00:00:00Z", "2020-01-01T00:30:00Z"]
    raw = json.loads(Path(sample).read_text(encoding="utf-8"))["data"]
    said = {row["from"]: row["intensity"] for row in raw}
    assert [slot["value"] for slot in told["slots"]] == [
        said[at]["forecast"] for at in ("2020-01-01T00:00Z", "2020-01-01T00:30Z")
    ]
    ran = run(
        capsys, "feeds", "read", "neso", sample, "--param", "value=actual",
        "--start", "2020-01-01T00:00Z", "--end", "2020-01-01T00:30Z",
    )  # fmt: skip
    assert [slot["value"] for slot in json.loads(ran.out)["slots"]] == [said["2020-01-01T00:00Z"]["actual"]]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nemo", "x"], "no source 'nemo'; there are octopus, "),
        (["neso", "{carbon}/generation_current.json"], "generation_current.json: Refused: data must be a list"),
        (["neso", "{carbon}/national.json", "--status", "503"], "Down: the source cannot serve us now"),
        (["neso", "{carbon}/national.json", "--param", "value"], "--param value: write name=value"),
        (
            ["neso", "{carbon}/national.json", "--param", "value=x"],
            "value must be one of forecast, actual",
        ),
        (["neso", "{carbon}/national.json", "--start", "today"], "--start: write a time with its offset"),
        (
            ["neso", "{carbon}/national.json", "--end", "2020-01-01"],
            "--end: write a time with its offset",
        ),
        (["neso", "{carbon}/none.json"], "No such file"),
    ],
)
def test_what_cannot_be_read_is_one_line(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    filled = [
        text.replace("national", "national_2020-01-01_02").format(carbon=SAMPLES / "carbon") for text in arguments
    ]
    ran = run(capsys, "feeds", "read", *filled)
    assert ran.code in {1, 2}
    assert ran.out == ""
    assert why in ran.err
    assert ran.err.count("\n") == 1


def test_every_source_is_listed_with_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, "feeds", "sources").out.splitlines()
    heads = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert heads == list(SOURCES)
    assert any("area" in line and "(required)" in line for line in lines)


def test_a_dry_round_needs_no_kafka_and_says_how_each_feed_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "feeds.toml"
    file.write_text(FEEDS, encoding="utf-8")
    monkeypatch.setenv("D2EV_FEEDS_FILE", str(file))
    monkeypatch.setenv("D2EV_BOOTSTRAP", "127.0.0.1:9")
    ran = run(capsys, "feeds", "--once", "--dry-run")
    own, denied = ran.out.splitlines()
    assert own.startswith("price:economy")
    assert "slots, " in own
    assert "known until" in own
    assert denied.split(None, 2) == [
        "price:nl",
        "entsoe",
        "denied: api_key is missing: D2EV_FEED_KEYS does not have it",
    ]
    assert ran.code == 1
    monkeypatch.setenv("D2EV_FEED_KEYS", '{"entsoe": {"api_key": "never-to-be-seen"}}')
    monkeypatch.setenv("D2EV_FEED_URLS", '{"entsoe": "http://127.0.0.1:9"}')
    ran = run(capsys, "feeds", "--once", "--dry-run")
    assert "down: no answer: ConnectError" in ran.out
    assert "never-to-be-seen" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("names", "arguments", "why"),
    [
        ({}, ["--once"], "feeds.toml: No such file or directory; set D2EV_FEEDS_FILE"),
        ({}, ["--dry-run"], "--dry-run goes with --once"),
        ({"D2EV_FEED_URLS": '{"entsoe": "http://elsewhere.example"}'}, ["--once"], "D2EV_FEED_URLS"),
        ({"D2EV_FEED_KEYS": "x"}, ["--once"], "D2EV_FEED_KEYS: is not the JSON it should be"),
    ],
)
def test_bad_settings_are_one_line(
    names: dict[str, str], arguments: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    ran = run(capsys, "feeds", *arguments)
    assert ran.code == 2
    assert why in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "keys", "level", "why"),
    [
        (FEEDS, '{"entsoe": {"api_key": "k"}}', "ok", "price:economy, price:nl, every key there"),
        (FEEDS, '{"entsoe.nl": {"api_key": "k"}}', "ok", "price:nl"),
        (FEEDS, '{"entsoe.other": {"api_key": "k"}}', "fail", "price:nl lacks api_key"),
        ("[[carbon]]\nregion='C'\nsource='watttime'\nparams={region='C'}", "{}", "fail", "lacks password, username"),
        ("[[carbon]]\nregion='GB'\nsource='neso'", "{}", "ok", "carbon:GB, every"),
        ("[[price]]", "{}", "fail", "price number 1: tariff"),
    ],
)
def test_the_self_check_looks_at_feeds_and_their_keys(
    text: str, keys: str, level: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "feeds.toml").write_text(text, encoding="utf-8")
    settings = load({}, feeds_file=tmp_path / "feeds.toml", feed_keys=json.loads(keys))
    (finding,) = doctor._feeds(settings)
    assert (finding.check, finding.level) == ("feeds", level)
    assert why in finding.detail
    assert bool(finding.fix) is (level == "fail")
