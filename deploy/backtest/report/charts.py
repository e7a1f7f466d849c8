"""The plots of the report, each drawn from the summary alone."""

from __future__ import annotations

from typing import Any

from deploy.backtest.report.words import CAUSE_NAMES, WAY_NAMES
from deploy.pages.svg import Board, ticks
from deploy.pages.words import per_kwh, percent

WIDTH = 720.0


def charts(summary: dict[str, Any]) -> list[Board]:
    """All plots, in the order of the page."""
    return [ways(summary), days(summary), hours(summary), shapes(summary), regret(summary)]


def ways(summary: dict[str, Any]) -> Board:
    """What a kWh cost, way by way, the dearest first."""
    energy = summary["energy_kwh"]["managed"] or 1
    costs = {way: cost / energy * 100 for way, cost in summary["cost"].items()}
    board = Board(WIDTH, 36 * len(costs) + 30, "cost-by-way", f"Cost of charging, {per_kwh(summary['currency'])}")
    marks = ticks(min(0.0, *costs.values()), max(costs.values()))
    left, right = 168.0, WIDTH - 132
    scale = (right - left) / (marks[-1] - marks[0])
    zero = left - marks[0] * scale
    for mark in marks:
        x = left + (mark - marks[0]) * scale
        board.line(x, 0, x, 36 * len(costs), "zero" if mark == 0 else "axis")
        board.text(x, 36 * len(costs) + 20, f"{mark:g}", "small muted", "middle")
    savings = summary["more"]["saving"]["cost"]
    for n, (way, cost) in enumerate(sorted(costs.items(), key=lambda item: -item[1])):
        y = 36.0 * n + 6
        style = {"managed": "managed", "oracle": "best"}.get(way, "other")
        board.rect(min(zero, zero + cost * scale), y, abs(cost) * scale, 24, style)
        own = " strong" if way == "managed" else ""
        board.text(left - 10, y + 17, WAY_NAMES[way], own.strip(), "end")
        saved = "" if way == "unmanaged" else f" · −{percent(savings[way]['value'])}".replace("−−", "+")
        board.text(max(zero, zero + cost * scale) + 8, y + 17, f"{cost:.2f}{saved}", own.strip())
    return board


def days(summary: dict[str, Any]) -> Board:
    """What was saved of what could be, by day; by week when there are many."""
    points = _grouped(summary["more"]["by_day"])
    board = Board(WIDTH, 240, "saving-by-day", f"Saved of what foresight saves, {summary['currency']} with carbon")
    low = min(0.0, *(min(saved, best) for _, saved, best in points))
    marks = ticks(low, max(0.0, *(max(saved, best) for _, saved, best in points)))
    height, left = 200.0, 46.0
    scale = height / (marks[-1] - marks[0])
    for mark in marks:
        y = height - (mark - marks[0]) * scale + 8
        board.line(left, y, WIDTH, y, "zero" if mark == 0 else "axis")
        board.text(left - 8, y + 4, f"{mark:g}", "small muted", "end")
    zero = height + marks[0] * scale + 8
    step = (WIDTH - left) / len(points)
    bar = min(26.0, step * 0.78)
    every = -(-len(points) // 8)
    for n, (label, saved, best) in enumerate(points):
        x = left + step * n + (step - bar) / 2
        board.rect(x, min(zero, zero - best * scale), bar, abs(best) * scale, "soft", 1)
        shown = "managed" if saved >= 0 else "loss"
        board.rect(x + bar * 0.2, min(zero, zero - saved * scale), bar * 0.6, abs(saved) * scale, shown, 1)
        if n % every == 0:
            board.text(x + bar / 2, height + 30, label, "small muted", "middle")
    return board


def _grouped(by_day: list[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    size = 1 if len(by_day) <= 60 else 7
    groups = [by_day[n : n + size] for n in range(0, len(by_day), size)]
    return [(g[0][0], sum(saved for _, saved, _ in g), sum(best for _, _, best in g)) for g in groups]


def hours(summary: dict[str, Any]) -> Board:
    """The mean price by hour above, the energy by hour below."""
    rows = summary["more"]["by_hour"]
    board = Board(
        WIDTH, 330, "energy-by-hour", f"Price ({per_kwh(summary['currency'])}) and energy (kWh) by local hour"
    )
    left, step = 46.0, (WIDTH - 46.0) / 24
    prices = [(hour, price * 100) for hour, price, _, _ in rows if price is not None]
    marks = ticks(min(price for _, price in prices), max(price for _, price in prices), 4)
    _scale(board, marks, (22.0, 112.0), left)
    edge = 90.0 / (marks[-1] - marks[0])
    line = [(left + step * (hour + side), 112 - (price - marks[0]) * edge) for hour, price in prices for side in (0, 1)]
    board.path(line, "line")
    board.text(left, 11, f"Price, {per_kwh(summary['currency'])}", "small strong")
    board.text(left, 143, "Energy, kWh", "small strong")
    most = ticks(0, max(max(managed, at_once) for _, _, managed, at_once in rows), 4)
    _scale(board, most, (154.0, 300.0), left)
    unit = 146.0 / most[-1]
    for hour, _, managed, at_once in rows:
        x = left + step * hour
        board.rect(x + step * 0.12, 300 - at_once * unit, step * 0.36, at_once * unit, "other", 1)
        board.rect(x + step * 0.52, 300 - managed * unit, step * 0.36, managed * unit, "managed", 1)
        if hour % 3 == 0:
            board.text(x, 320, f"{hour:02}:00", "small muted", "middle" if hour else "start")
    return board


def _scale(board: Board, marks: list[float], span: tuple[float, float], left: float) -> None:
    top, bottom = span
    for mark in marks:
        y = bottom - (mark - marks[0]) / (marks[-1] - marks[0]) * (bottom - top)
        board.line(left, y, WIDTH, y, "axis")
        board.text(left - 8, y + 4, f"{mark:g}", "small muted", "end")


def shapes(summary: dict[str, Any]) -> Board:
    """How often the announced start moved, and in how many blocks cars charged."""
    board = Board(WIDTH, 220, "stability", "Sessions by changes of the announced start, and by blocks")
    more = summary["more"]
    half = (WIDTH - 40) / 2
    _histogram(board, 0, half, "Changes of the announced start", more["start_change_classes"])
    blocks = {name: count for name, count in more["block_classes"].items() if name != "0" or count}
    _histogram(board, half + 40, half, "Blocks of charging", blocks)
    return board


def _histogram(board: Board, left: float, width: float, title: str, classes: dict[str, int]) -> None:
    total = sum(classes.values()) or 1
    step = width / len(classes)
    board.text(left, 16, title, "strong")
    board.line(left, 190, left + width, 190, "zero")
    for n, (name, count) in enumerate(classes.items()):
        height = 130 * count / total
        x = left + step * n
        board.rect(x + step * 0.16, 190 - height, step * 0.68, height, "managed")
        board.text(x + step / 2, 183 - height, percent(count / total), "small", "middle")
        board.text(x + step / 2, 209, name, "muted", "middle")


def regret(summary: dict[str, Any]) -> Board:
    """From the oracle to what managed charging really cost, cause by cause, in percent of what could be saved."""
    causes = summary["more"]["regret"]
    possible = summary["more"]["capture"]["objective"]["oracle"]["whole"] or 1
    parts = [(CAUSE_NAMES[cause], value / possible * 100) for cause, value in causes.items()]
    edges = [0.0]
    for _, value in parts:
        edges.append(edges[-1] + value)
    rows = len(parts) + 1
    board = Board(WIDTH, 36 * rows + 30, "regret", "Why some of the possible saving was lost, percent of it")
    marks = ticks(min(edges), max(edges))
    left, right = 190.0, WIDTH - 80
    scale = (right - left) / (marks[-1] - marks[0])
    for mark in marks:
        x = left + (mark - marks[0]) * scale
        board.line(x, 0, x, 36 * rows, "zero" if mark == 0 else "axis")
        board.text(x, 36 * rows + 20, f"{mark:g}", "small muted", "middle")
    for n, (name, value) in enumerate(parts):
        y, begin = 36.0 * n + 6, edges[n]
        x = left + (min(begin, begin + value) - marks[0]) * scale
        board.rect(x, y, abs(value) * scale, 24, "loss" if value > 0 else "gain")
        board.text(left - 10, y + 17, name, "", "end")
        end = left + (max(begin, begin + value) - marks[0]) * scale
        board.text(end + 8, y + 17, f"{value:+.2f}".replace("-", "−"))
    y = 36.0 * len(parts) + 6
    zero = left - marks[0] * scale
    board.rect(min(zero, zero + edges[-1] * scale), y, abs(edges[-1]) * scale, 24, "best")
    board.text(left - 10, y + 17, "All together", "strong", "end")
    board.text(zero + max(0.0, edges[-1]) * scale + 8, y + 17, f"{edges[-1]:.2f}", "strong")
    return board
