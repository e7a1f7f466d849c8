"""What the terminal draws of the running demo: time, cars by state, next starts, pushes, commands and workers."""

from __future__ import annotations

from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deploy.demo.live import Live, WorkerInfo
from deploy.demo.showing import CarState, local_time, next_starts, pushes_sent, states
from streams.contracts.command import CommandPhase
from streams.domain.wording import clock

COLOURS: Final = {
    CarState.CHARGING: "green",
    CarState.WAITING: "cyan",
    CarState.DONE: "blue",
    CarState.ATTENTION: "yellow",
    CarState.UNPLUGGED: "bright_black",
    CarState.UNKNOWN: "bright_black",
}
_BAR: Final = 16
_STARTS: Final = 6


def picture(live: Live, height: int) -> RenderableType:
    """All of it, `height` lines high and as wide as the terminal."""
    left, right = Layout(ratio=5), Layout(_pushes(live, height - 6), ratio=7)
    left.split_column(
        Layout(_cars(live), size=9), Layout(_starts(live)), Layout(_machine(live), size=4 + max(2, len(live.workers)))
    )
    body = Layout()
    body.split_row(left, right)
    whole = Layout()
    whole.split_column(Layout(_time(live), size=2), body)
    pages = "  drivers ".join(url for url in (live.page_url, live.driver_url) if url)
    where = f"[dim]{pages}[/]" if pages else None
    return Panel(
        whole,
        height=height,
        title=f"[bold]D2EV demo[/] · {live.scenario or 'usual'}",
        title_align="left",
        subtitle=where,
        subtitle_align="right",
        border_style="bright_black",
        box=box.ROUNDED,
    )


def hour_line(live: Live) -> str:
    """The same in one line, for logs."""
    cars = ", ".join(f"{n} {state}" for state, n in states(live).items() if n)
    commands = live.counts[f"command.{CommandPhase.CONFIRMED}"]
    return (
        f"{local_time(live.now, live.zone)}  {live.progress:4.0%}  {cars}; "
        f"{pushes_sent(live)} pushes, {commands} commands confirmed, lag {live.lag}"
    )


def _time(live: Live) -> RenderableType:
    line = Table.grid(padding=(0, 2), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(justify="right", no_wrap=True)
    line.add_row(
        Text(local_time(live.now, live.zone), "bold"),
        ProgressBar(total=1.0, completed=live.progress, complete_style="green", finished_style="green"),
        f"{live.progress:.0%} of {(live.end - live.start).total_seconds() / 3600:.0f} h",
    )
    return line


def _cars(live: Live) -> RenderableType:
    count = states(live)
    most = max(*count.values(), 1)
    rows = Table.grid(padding=(0, 2))
    for state, n in count.items():
        bar = Text("━" * round(_BAR * n / most), COLOURS[state])
        rows.add_row(Text(state, COLOURS[state]), Text(str(n), justify="right"), bar)
    return _titled(f"{len(live.cars)} cars", rows)


def _starts(live: Live) -> RenderableType:
    rows = Table.grid(padding=(0, 2))
    for at, car in next_starts(live, _STARTS):
        rows.add_row(Text(f"about {clock(at, car.zone, live.now, about=True)}", "cyan"), _cut(car.model))
    return _titled("Next starts", rows if rows.row_count else Text("none announced", "dim"))


def _pushes(live: Live, lines: int) -> RenderableType:
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(no_wrap=True, style="dim")
    rows.add_column(ratio=1)
    for push in list(live.pushes)[-max(1, lines // 3) :]:
        model = live.cars[push.car].model if push.car in live.cars else push.car
        at = clock(push.at, live.zone, push.at)
        rows.add_row(at, Text.assemble((push.title, "bold"), ("  " + model, "dim"), "\n" + push.body))
    return _titled("Pushes, newest last", rows if rows.row_count else Text("none yet", "dim"))


def _machine(live: Live) -> RenderableType:
    phases = ", ".join(f"{n} {phase}" for phase in CommandPhase if (n := live.counts[f"command.{phase}"]))
    rows = Table.grid(padding=(0, 2))
    rows.add_row(Text("commands", "dim"), phases or "none yet")
    rows.add_row(Text("lag", "dim"), f"{live.lag} records")
    rows.add_row(Text("workers", "dim"), Text("\n").join(map(_worker, live.workers)) or "starting")
    return _titled("Pipeline", rows)


def _worker(worker: WorkerInfo) -> Text:
    partitions = " ".join(map(str, worker.partitions)) or "no partitions"
    return Text.assemble(
        ("● " if worker.ready else "○ ", "green" if worker.ready else "yellow"), f"{worker.name}: {partitions}"
    )


def _titled(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(title, "bold"), body)


def _cut(name: str) -> Text:
    return Text(name, no_wrap=True, overflow="ellipsis")
