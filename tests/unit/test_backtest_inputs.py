"""Recordings in every known shape become slots and sessions; a bad one is one clear line."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from deploy.backtest.carbon import carbon
from deploy.backtest.prices import prices
from deploy.backtest.rows import BadFile
from deploy.backtest.sessions import sessions

LONDON = ZoneInfo("Europe/London")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recording.csv"


def test_hourly_day_ahead_prices_per_mwh(file: Path) -> None:
    file.write_text("start_utc,price_eur_mwh,flag\n2023-01-01T00:00Z,120,\n2023-01-01T01:00Z,-30.5,\n")
    read = prices(file, LONDON, "EUR")
    assert read.unit == "EUR/kWh"
    assert [(slot.start, slot.end, slot.value) for slot in read.outturn] == [
        (utc("2023-01-01T00:00"), utc("2023-01-01T01:00"), 0.12),
        (utc("2023-01-01T01:00"), utc("2023-01-01T02:00"), -0.0305),
    ]


def test_quarter_hours_are_told_by_their_distance(file: Path) -> None:
    file.write_text("start_utc,price_eur_mwh\n2025-10-01T00:00Z,80\n2025-10-01T00:15Z,90\n")
    assert [slot.end for slot in prices(file, LONDON, "EUR").outturn] == [
        utc("2025-10-01T00:15"),
        utc("2025-10-01T00:30"),
    ]


def test_half_hourly_tariffs_are_in_pence_and_may_come_newest_first(file: Path) -> None:
    file.write_text(
        "valid_from,valid_to,value_exc_vat,value_inc_vat\n"
        "2026-03-28T20:30:00Z,2026-03-28T21:00:00Z,23.9,25.095\n"
        "2026-03-28T20:00:00Z,2026-03-28T20:30:00Z,26.06,27.363\n"
    )
    read = prices(file, LONDON, "EUR")
    assert (read.unit, [slot.value for slot in read.outturn]) == ("GBP/kWh", [0.27363, 0.25095])


def test_day_ahead_prices_become_known_at_13_local_of_the_day_before(file: Path) -> None:
    file.write_text("start_utc,price_eur_mwh\n2023-07-01T22:00Z,1\n2023-07-01T23:00Z,2\n2023-07-02T00:00Z,3\n")
    vintages = prices(file, LONDON, "EUR").vintages
    assert [(v.issued_at, [slot.value for slot in v.slots]) for v in vintages] == [
        (utc("2023-06-30T12:00"), [0.001]),
        (utc("2023-07-01T12:00"), [0.002, 0.003]),
    ]


def test_vintages_are_taken_as_recorded_and_the_last_word_is_the_truth(file: Path) -> None:
    file.write_text(
        "start,end,price_per_kwh,issued_at,currency\n"
        "2023-01-01T00:00Z,2023-01-01T01:00Z,0.5,2022-12-31T12:00Z,SEK\n"
        "2023-01-01T00:00Z,2023-01-01T01:00Z,0.7,2022-12-31T18:00Z,SEK\n"
    )
    read = prices(file, LONDON, "EUR")
    assert read.unit == "SEK/kWh"
    assert [v.issued_at for v in read.vintages] == [utc("2022-12-31T12:00"), utc("2022-12-31T18:00")]
    assert [slot.value for slot in read.outturn] == [0.7]


def test_an_actual_of_zero_or_nothing_gives_way_to_the_forecast(file: Path) -> None:
    file.write_text(
        "from,to,forecast,actual,index\n"
        "2023-01-31T00:30Z,2023-01-31T01:00Z,90,88,low\n"
        "2023-01-31T01:00Z,2023-01-31T01:30Z,95,0,very low\n"
        "2023-01-31T01:30Z,2023-01-31T02:00Z,97,,low\n"
    )
    read = carbon([file])
    assert [slot.value for slot in read.outturn] == [88, 95, 97]
    assert "2 slots" in read.remark
    assert "flatter" in read.remark


def test_carbon_vintages_may_come_in_several_files(tmp_path: Path) -> None:
    files = []
    for issued, values in (("16:01", (206, 210)), ("20:01", (99, 94))):
        rows = [f"2023-03-15T{issued}Z,2023-03-15T{at}Z,{value}" for at, value in zip(("22:00", "22:30"), values)]  # noqa: B905
        files.append(tmp_path / f"{values[0]}.csv")
        files[-1].write_text("\n".join(["issued_at,from,forecast", *rows]) + "\n")
    read = carbon(files)
    assert [v.issued_at for v in read.vintages] == [utc("2023-03-15T16:01"), utc("2023-03-15T20:01")]
    assert [slot.value for slot in read.outturn] == [99, 94]
    assert carbon(files[::-1])[2:] == read[2:], "whatever the order of the files"
    actual = tmp_path / "actual.csv"
    actual.write_text(
        "from,to,forecast,actual\n2023-03-15T22:00Z,2023-03-15T22:30Z,90,101\n2023-03-15T22:30Z,2023-03-15T23:00Z,90,97\n"
        "2023-03-15T23:00Z,2023-03-15T23:30Z,90,95\n"
    )
    settled = carbon([*files, actual])
    assert settled.vintages == read.vintages
    assert [slot.value for slot in settled.outturn] == [101, 97]
    with pytest.raises(BadFile, match="one file with actual values"):
        carbon([*files, actual, actual])


NORWAY = "location,user_id,session_id,plugin_time,plugout_time,connection_time,energy_session\n"


def test_home_sessions_lose_what_is_dirt_and_say_so(file: Path) -> None:
    file.write_text(
        NORWAY
        + "A,U1,S1,2019-03-01 18:00,2019-03-02 07:00,13,9.5\n"
        + "A,U1,S2,2019-03-02 06:00,2019-03-02 09:00,3,4\n"
        + "A,U2,S3,2019-03-01 18:00,,0,4\n"
        + "A,U3,S4,2019-03-01 18:00,2019-03-01 18:01,0.02,0.06\n"
        + "A,U4,S5,2019-03-01 18:00,2019-03-01 19:00,1,0.02\n"
        + "A,U5,S6,2019-03-01 18:00,2019-03-01 18:30,0.5,44\n"
    )
    found = sessions(file, None)
    assert found.zone == "Europe/Oslo"
    assert [(one.car, one.energy_kwh) for one in found.usable] == [("U1", 9.5)]
    assert found.left_out == {
        "overlaps another session of the car": 1,
        "no time of unplugging": 1,
        "shorter than 10 minutes, or ended before it began": 1,
        "less than 0.1 kWh": 1,
        "more than 45 kW on average": 1,
    }


def test_workplace_sessions_count_only_with_a_departure_that_a_driver_stated(file: Path) -> None:
    header = (
        "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,"
        "estimated_departure,claimed\n"
    )
    row = "2019-05-01 08:18:45-07:00,2019-05-01 15:52:36-07:00,60.0,14.0,CA-305,{},2019-05-01 14:20:45-07:00,{}\n"
    file.write_text(header + row.format(1, "True") + row.format(2, "False"))
    found = sessions(file, None)
    assert found.zone == "America/Los_Angeles"
    assert [one.ready for one in found.usable] == [datetime(2019, 5, 1, 14, 20, 45)]  # noqa: DTZ001 - wall time
    assert sum(found.left_out.values()) == 1


def test_public_sessions_have_the_day_first(file: Path) -> None:
    file.write_text(
        "Charging event,CP ID,Connector,Start Date,Start Time,End Date,End Time,Total kWh,Site,Model\n"
        '1,51356,1,02/03/2018,23:50,03/03/2018,14:16,19.99,"Gellatly Street, Dundee",APT\n'
        "2,51356,1,04/03/2018,23:50,,,19.99,X,APT\n"
    )
    found = sessions(file, None)
    assert [one.plugged for one in found.usable] == [datetime(2018, 3, 2, 23, 50)]  # noqa: DTZ001 - wall time
    assert found.left_out == {"no time of unplugging": 1}


def test_generic_sessions_may_say_more_of_the_car(file: Path) -> None:
    file.write_text(
        "plugged_at,unplugged_at,energy_kwh,power_kw,soc_pct,capacity_kwh\n"
        "2023-01-01T18:00Z,2023-01-02T07:00Z,10,11,40,50\n"
        "2023-01-01T18:00Z,2023-01-02T07:00Z,10,,,\n"
    )
    one, other = sessions(file, None).usable
    assert (one.power_kw, one.soc_pct, one.capacity_kwh) == (11, 40, 50)
    assert (other.power_kw, other.soc_pct, other.capacity_kwh) == (None, None, None)


def test_lines_may_come_in_any_order(file: Path) -> None:
    file.write_text("start_utc,price_eur_mwh\n2023-01-01T01:00Z,2\n2023-01-01T00:00Z,1\n")
    assert [slot.value for slot in prices(file, LONDON, "EUR").outturn] == [0.001, 0.002]


def test_carbon_without_any_actual_counts_with_its_forecast(file: Path) -> None:
    file.write_text("from,to,forecast,actual\n2023-01-31T00:30Z,2023-01-31T01:00Z,90,\n")
    read = carbon([file])
    assert [slot.value for slot in read.outturn] == [90]
    assert "1 slots" in read.remark
    file.write_text("from,to,forecast,actual\n2023-01-31T00:30Z,2023-01-31T01:00Z,,90\n")
    with pytest.raises(BadFile, match="holds no value"):
        carbon([file])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "start_utc,price_eur_mwh\n2023-01-01T00:00Z,12\n2023-01-01T01:00Z,12x\n",
            ":3: price_eur_mwh must be a finite number; mend",
        ),
        ("start_utc,price_eur_mwh\n01/02/2023,12\n", ":2: start_utc must be an ISO 8601 time of this century; mend"),
        ("start_utc,price_eur_mwh\n2023-01-01T00:00Z,nan\n", ":2: price_eur_mwh must be a finite number; mend"),
        (
            "start_utc,price_eur_mwh\n2023-01-01T00:00Z,1\n2023-01-01T01:00Z,1\n2023-01-01T01:00Z,2\n",
            ": two values for 2023-01-01T01:00Z; mend",
        ),
        ("start_utc,price_eur_mwh\n", ": the file has no rows below its header; mend the file"),
        ("when,what\n1,2\n", ":1: columns not known to us: when, what; the header must have one of: start_utc"),
        (
            "start,end,price_per_kwh\n2023-01-01T01:00Z,2023-01-01T00:00Z,1\n",
            ": the slot of 2023-01-01T01:00Z does not end after its start; mend",
        ),
        (
            "start,end,price_per_kwh\n2023-01-01T00:00Z,2023-01-01T02:00Z,1\n2023-01-01T01:00Z,2023-01-01T03:00Z,1\n",
            ": two slots hold 2023-01-01T01:00Z",
        ),
    ],
)
def test_a_bad_file_is_one_line_that_names_file_line_and_remedy(file: Path, text: str, complaint: str) -> None:
    file.write_text(text)
    with pytest.raises(BadFile) as caught:
        prices(file, LONDON, "EUR")
    assert str(caught.value).startswith(f"{file}{complaint}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read"):
        sessions(file, None)
