"""The recorded extracts stay small, attributed and free of anything that names a car, a person or a place."""

import csv
import re
from pathlib import Path

import pytest

from deploy.demo import make_extracts

DATA = Path(__file__).parents[2] / "deploy" / "demo" / "data"
EXTRACTS = sorted(DATA.glob("*.csv"))
README = (DATA / "README.md").read_text(encoding="utf-8")
VIN = re.compile(r"(?<![A-Za-z0-9])[A-HJ-NPR-Z0-9]{17}(?![A-Za-z0-9])", re.IGNORECASE)
COORDINATE = re.compile(r"\d{1,2}\.\d{4,}")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_extracts_are_there_and_small() -> None:
    assert [path.name for path in EXTRACTS] == [
        "carbon_gb.csv",
        "cars.csv",
        "home_sessions.csv",
        "prices_gb.csv",
    ]
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 600_000


def test_the_guards_see_what_they_guard_against() -> None:
    assert VIN.search("NO_U001,WVWZZZE1ZMP000001,5.0")
    assert COORDINATE.search("59.91273,10.74609")


@pytest.mark.parametrize("path", EXTRACTS, ids=lambda path: path.name)
def test_no_extract_holds_a_vin_or_a_coordinate(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not VIN.search(text)
    assert not COORDINATE.search(text)


def test_users_are_known_by_number_only() -> None:
    assert all(re.fullmatch(r"NO_U\d{3}", row["user"]) for row in rows(DATA / "home_sessions.csv"))


@pytest.mark.parametrize("path", EXTRACTS, ids=lambda path: path.name)
def test_every_extract_is_attributed_with_its_true_number_of_rows_and_a_licence(path: Path) -> None:
    assert re.search(rf"^\| `{path.name}` \|.*\| {len(rows(path))} \| (MIT|CC BY 4\.0)", README, re.MULTILINE)


@pytest.mark.parametrize(
    "credit",
    [
        "NESO (National Energy System Operator), CC BY 4.0",
        "Å. L. Sørensen et al.",
        "10.5281/zenodo.13896176",
        "(c) 2019 Niklas Hösl",
        "(c) 2025 Hewlett Packard Enterprise",
    ],
)
def test_every_author_is_credited(credit: str) -> None:
    assert credit in README


def test_licence_texts_that_the_readme_links_to_are_there() -> None:
    linked = re.findall(r"\((licenses/[^)]+)\)", README)
    assert len(linked) == 2
    assert all("MIT License" in (DATA / link).read_text(encoding="utf-8") for link in linked)


def test_carbon_says_where_a_forecast_stands_in_for_an_actual() -> None:
    carbon = rows(DATA / "carbon_gb.csv")
    flagged = [row for row in carbon if row["flag"]]
    assert [row["start_utc"] for row in flagged] == [
        "2023-01-26T13:30Z",
        "2023-01-26T14:00Z",
        "2023-01-26T14:30Z",
        "2023-01-26T15:00Z",
        "2023-01-26T15:30Z",
    ]
    assert all(row["actual_g_per_kwh"] == row["forecast_g_per_kwh"] for row in flagged)
    assert all(float(row["actual_g_per_kwh"]) > 0 for row in carbon)


def test_making_extracts_without_the_recordings_says_what_is_missing_and_touches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [path.read_bytes() for path in EXTRACTS]
    assert make_extracts.main([str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "prices/dayahead_hourly_GB" in message
    assert [path.read_bytes() for path in EXTRACTS] == before
