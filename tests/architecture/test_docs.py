"""What the pages say is so: generated ones are current, links lead somewhere, and what they name exists."""

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from agents.settings import PREFIX, Settings
from deploy.cli import app
from deploy.demo.scenarios import SCENARIOS
from deploy.docs import FOLDER, pages, stages
from deploy.monitoring.catalogue import families
from oem_connectors.conformance import check
from streams.topics import BY_NAME
from tests.architecture.product import PACKAGES, ROOT

GENERATED = pages()
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
README = (ROOT / "README.md").read_text(encoding="utf-8")
WALK = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
#: Read by make and the suites; and one that a page misspells to show what happens.
OTHER_SETTINGS = {"D2EV_REQUIRE_KAFKA", "D2EV_TEST_BOOTSTRAP", "D2EV_TEST_FAILPOINT", "D2EV_BOOTSTRP",
                  "D2EV_TEST_SCHEMA_REGISTRY"}  # fmt: skip
#: One that is made by the reader of the page.
MADE_UP = "oem_connectors/acme/"

LINK = re.compile(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
PATH = re.compile(rf"(?<![\w/.])(?:(?:{'|'.join(PACKAGES)}|tests|docs)/[\w./-]*\w)")
D2EV = re.compile(r"(?<![\w./-])d2ev ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)((?: [^\n|`#]*)?)")
MAKE = re.compile(r"(?:^|[$`] ?|; )make ([a-z-]+)", re.MULTILINE)
STAGE_FILE = re.compile(r"agents/(\w+)\.py")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code(page: Path) -> str:
    return "\n".join(CODE.findall(text(page)))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def walk(rows: str) -> Iterator[tuple[int, str]]:
    """The numbered stops of how-it-works with the file of each."""
    for number, path in re.findall(r"^\| (\d+) \| `([^`]+)`", rows, re.MULTILINE):
        yield int(number), path


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert text(FOLDER / name) == GENERATED[name], "run `d2ev docs` and look at the difference"


@EACH_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(text(page)):
        if not target.startswith("http"):
            file = page.parent / target if target else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


@EACH_PAGE
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = {path for path in PATH.findall(code(page)) if not path.startswith(MADE_UP)}
    assert {path for path in named if not (ROOT / path).exists()} == set()


@EACH_PAGE
def test_make_targets_that_a_page_names_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(MAKE.findall(code(page))) <= targets


@EACH_PAGE
def test_commands_and_options_that_a_page_names_exist(page: Path) -> None:
    commands: dict[str, Any] = vars(get_command(app()))["commands"]
    for words, rest in D2EV.findall(code(page)):
        first, *second = words.split()
        assert first in commands, f"d2ev {words}"
        command = commands[first]
        if second and (below := vars(command).get("commands")) is not None:
            assert second[0] in below, f"d2ev {words}"
            command = below[second[0]]
        known = {option for parameter in command.params for option in (*parameter.opts, "--help")}
        assert set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)) <= known, f"d2ev {words}{rest}"


@EACH_PAGE
def test_settings_topics_and_metrics_that_a_page_names_exist(page: Path) -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields} | OTHER_SETTINGS
    assert set(re.findall(r"\bD2EV_[A-Z][A-Z_]*[A-Z]\b", text(page))) <= settings
    assert set(re.findall(r"\bd2ev\.[a-z.-]+\.v\d", text(page))) <= set(BY_NAME)
    metrics = {name for family in families() for name in (family.name, *family.samples)}
    assert set(re.findall(r"`(d2ev_[a-z_]+)", text(page))) <= metrics


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {(ROOT / target).resolve() for target, _ in LINK.findall(README) if not target.startswith("http")}
    left_out = {page for page in PAGES if page != ROOT / "README.md"} - linked
    assert {page for page in left_out if page.parent not in linked} == set()


def test_the_readme_tells_every_scenario() -> None:
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (.+?) \|$", README, re.MULTILINE))
    assert told == {scenario.name: scenario.tells for scenario in SCENARIOS.values()}


def test_the_figure_of_the_readme_shows_every_stage_and_only_real_ways() -> None:
    figure = re.findall(r"^  (\w+)\S* -->(?:\|[^|]*\|)? (\w+)", README, re.MULTILINE)
    known = {stage.name: stage for stage in stages()}
    assert {name for way in figure for name in way} >= set(known)
    ways = [(known[a], known[b]) for a, b in figure if a in known and b in known]
    assert ways
    assert [(a.name, b.name) for a, b in ways if not set(a.writes) & set(b.reads)] == []


def test_the_walk_through_the_code_never_goes_back() -> None:
    stops = list(walk(WALK))
    assert [number for number, _ in stops] == list(range(1, len(stops) + 1))
    assert len({path for _, path in stops}) == len(stops)
    order = [stage.name for stage in stages()]
    passed = [found[1] for _, path in stops if (found := STAGE_FILE.fullmatch(path)) and found[1] in order]
    assert passed == [name for name in order if name != "accounts"]


def test_the_example_of_a_connector_keeps_every_promise_but_the_number_of_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = text(FOLDER / "adding-an-oem.md")
    folder = tmp_path / "acme"
    (folder / "samples").mkdir(parents=True)
    (folder / "quality.toml").write_text('done = ["all"]', encoding="utf-8")
    for language, name in {"python": "__init__.py", "json": "samples/charging.json"}.items():
        (example,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
        (folder / name).write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    found = {name: said for name, said in check(import_module("acme").CONNECTOR).items() if said}
    monkeypatch.delitem(sys.modules, "acme")
    (complaint,) = found.pop("samples_normalise")
    assert complaint in page
    assert found == {}
