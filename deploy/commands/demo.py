"""`d2ev demo`: the whole system on recorded days, accelerated."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.settings import load


def demo(
    vehicles: Annotated[int, typer.Option(help="Number of cars.", min=1, max=5000)] = 200,
    days: Annotated[
        int, typer.Option(help="Days, noon to noon; the second night has the clock change.", min=1, max=5)
    ] = 3,
    scenario: Annotated[str, typer.Option(help="What is different about these nights; `list` names them.")] = "usual",
    oem: Annotated[
        str, typer.Option(help="Whose cars: a fake of this maker speaks its protocol; `all` for each.")
    ] = "simulator",
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1, max=6)] = 1,
    seed: Annotated[int, typer.Option(help="Same seed, same nights.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="End after the summary instead of keeping the page up.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print only the summary, as one JSON object.")] = False,
    bootstrap: Annotated[str | None, typer.Option(help="Use this Kafka instead of the embedded broker.")] = None,
    step_minutes: Annotated[int, typer.Option(help="Grid on which virtual time moves.", min=1, max=15)] = 5,
    port: Annotated[int, typer.Option(help="Port of the fleet's page on 127.0.0.1; 0 picks a free one.")] = 8300,
    driver_port: Annotated[int, typer.Option(help="Port of the drivers' page; 0 picks a free one.")] = 8301,
    run_dir: Annotated[Path, typer.Option(help="Where tables and logs of the run go; emptied first.")] = Path(
        ".d2ev/demo"
    ),
) -> None:
    """Run recorded days in about two minutes: registration, telemetry, plan, command, confirmation, push."""
    from deploy.commands.processes import use_uvloop
    from deploy.demo.night import Options
    from deploy.demo.scenarios import SCENARIOS

    if scenario == "list":
        for known in SCENARIOS.values():
            print(f"{known.name:20} {known.tells}")
        return
    if scenario not in SCENARIOS:
        raise ValueError(f"--scenario {scenario}: unknown; there are {', '.join(SCENARIOS)}")
    options = Options(
        vehicles=vehicles,
        days=days,
        scenario=scenario,
        oem=oem,
        workers=workers,
        seed=seed,
        bootstrap=bootstrap,
        step=timedelta(minutes=step_minutes),
        run_dir=run_dir,
        partitions=_partitions(workers, bootstrap),
    )
    use_uvloop()
    asyncio.run(_quietly(options) if as_json else _shown(options, port, driver_port, once))


def _partitions(workers: int, bootstrap: str | None) -> int:
    """One worker needs no more than one partition; several show how partitions move; a real Kafka has its setting."""
    if bootstrap is not None:
        return load().partitions
    return 1 if workers == 1 else 2 * workers


async def _quietly(options: Any) -> None:
    from deploy.demo.night import Night

    print(json.dumps(await Night(options).run()))


async def _shown(options: Any, port: int, driver_port: int, once: bool) -> None:
    from rich.console import Console

    from deploy.demo.driver_side import DriverSide
    from deploy.demo.night import Night
    from deploy.demo.page import serve
    from deploy.demo.terminal import Terminal, summary_table

    night = Night(options)
    drivers = DriverSide(options.run_dir, {one.driver: f"{one.driver} · {one.model}" for one in night.fleet})

    async def meet_drivers(night: Night) -> None:
        night.live.driver_url = await drivers.start(night.settings, driver_port)

    if not once:
        night.hooks = {night.now: meet_drivers, **night.hooks}
    console = Console()
    runner, night.live.page_url = await serve(night.live, port=port)
    terminal = Terminal(night.live, console)

    async def stay() -> None:
        terminal.stop()
        console.print(summary_table(night.live.summary or {}))
        if once:
            return
        console.print(f"The fleet stays up at {night.live.page_url}")
        console.print(f"The drivers' page at {night.live.driver_url} (sign in as any of them)")
        console.print(f"The broker at {night.live.bootstrap}, for example:")
        tail = f"  D2EV_BOOTSTRAP={night.live.bootstrap} d2ev tail plug.event --from-start --count 5"
        console.print(tail, soft_wrap=True)
        console.print("Ctrl-C ends the demo.")
        await asyncio.Event().wait()

    try:
        with terminal:
            await night.run(lambda live: terminal.refresh(), stay)
    except asyncio.CancelledError:
        console.print("ended")
    finally:
        await drivers.close()
        await runner.cleanup()
