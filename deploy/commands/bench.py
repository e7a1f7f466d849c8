"""`d2ev bench`: ratios measured side by side in one run; machines differ, ratios hold."""

from __future__ import annotations

from typing import Annotated

import typer


def app() -> typer.Typer:
    """pipeline, planner, herd, driver and tables."""
    group = typer.Typer(no_args_is_help=True, help="Benchmarks, as ratios to peers in the same run.")
    group.callback()(lambda: None)
    group.command("pipeline")(pipeline)
    group.command("planner")(planner)
    group.command("herd")(herd)
    group.command("driver")(driver)
    group.command("tables")(tables)
    return group


def pipeline(
    events: Annotated[int, typer.Option(help="Telemetry records per round.", min=1000)] = 200_000,
    vehicles: Annotated[int, typer.Option(help="Cars they come from.", min=1)] = 10_000,
    partitions: Annotated[int, typer.Option(help="Partitions.", min=1)] = 6,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds; medians count.", min=1)] = 3,
    bootstrap: Annotated[
        str | None, typer.Option(help="A Kafka of the bench's own; by default one is started.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Telemetry to vehicle state on real Kafka, beside a bare client, idiomatic Faust and Quix Streams."""
    from deploy.bench.pipeline import pipeline as run

    run(events, vehicles, partitions, rounds, bootstrap, as_json)


def planner(
    cars: Annotated[int, typer.Option(help="Cars of the fleet.", min=1000)] = 1_000_000,
    problems: Annotated[int, typer.Option(help="Problems of each kind before the judges.", min=1)] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print only the JSON object that else comes last.")] = False,
) -> None:
    """The planner: exact and fast beside HiGHS and copied memory, with the bar of every figure."""
    from deploy.bench.planner import planner as run

    run(cars, problems, as_json=as_json)


def herd(
    cars: Annotated[int, typer.Option(help="Cars that wait for one slot edge.", min=1000)] = 100_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print only the JSON object that else comes last.")] = False,
) -> None:
    """A fleet due at one instant, in virtual time: how starts are spread, paced, and kept through restarts."""
    from deploy.bench.herd_night import herd as run

    run(cars, as_json=as_json)


def driver(
    drivers: Annotated[
        int, typer.Option(help="Drivers, each with a car and an open event stream.", min=1, max=5000)
    ] = 1000,
    rate: Annotated[float, typer.Option(help="Requests a second, of all of them.", min=1, max=5000)] = 100.0,
    hours: Annotated[int, typer.Option(help="Hours of the evening, from four in the afternoon.", min=1, max=20)] = 4,
    pace: Annotated[float, typer.Option(help="Seconds that five minutes of it take at least.", min=0.05)] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print only the JSON object that else comes last.")] = False,
) -> None:
    """Drivers before one driver API while the night runs: how long they wait, and whether the pipeline does."""
    from deploy.bench.driver import Load
    from deploy.bench.driver import driver as run

    run(Load(drivers, rate, hours, pace), as_json=as_json)


def tables(
    cars: Annotated[int, typer.Option(help="Cars of the fleet.", min=1000)] = 1_000_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print only the JSON object that else comes last.")] = False,
) -> None:
    """A fleet's state from the log to a pandas DataFrame, beside a message at a time."""
    from deploy.bench.tables import bench

    bench(cars, as_json=as_json)
