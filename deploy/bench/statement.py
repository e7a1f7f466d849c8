"""A line of `d2ev plan` as the problem it states, read without the planner's code, and what a plan is worth in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import exp, log
from typing import Any, NamedTuple

#: kWh and hours that do not count.
TINY = 1e-6
_HOUR = timedelta(hours=1)


class Slot(NamedTuple):
    """[start, end) in hours after now; `rate` is what decides, `price` what is paid with carbon counted in."""

    start: float
    end: float
    rate: float
    price: float

    @property
    def hours(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Statement:
    """What is asked, in hours after now and kWh at the wall."""

    slots: tuple[Slot, ...]
    deadline: float
    need: float
    at_once: float
    goals: tuple[tuple[float, float], ...]
    power: float
    charging: bool
    penalty: float
    max_blocks: int | None
    min_block: float
    min_pause: float
    vehicle: dict[str, Any]

    @classmethod
    def of(cls, line: dict[str, Any]) -> Statement:
        """The statement of a line whose slots cover its window."""
        now = datetime.fromisoformat(line["now"])
        car, policy = line["vehicle"], line.get("policy", {})
        per_pct = car["usable_kwh"] / car["efficiency"] / 100
        need = max(0.0, car["target_soc_pct"] - car["soc_pct"]) * per_pct
        least = max(0.0, min(car.get("min_soc_pct", 0.0), car["target_soc_pct"]) - car["soc_pct"]) * per_pct
        room = max(0.0, (datetime.fromisoformat(line["ready_by"]) - now) / _HOUR)
        early = room - policy.get("margin_minutes", 0) / 60
        hours = hours_of(car, need)
        carbon_price = policy.get("carbon_price_per_tonne", 0)
        return cls(
            slots=tuple(_slot(slot, now, carbon_price) for slot in line["slots"]),
            deadline=early if hours <= early + 1e-9 else room,
            need=need,
            at_once=least,
            goals=tuple(
                ((datetime.fromisoformat(g["by"]) - now) / _HOUR, (g["soc_pct"] - car["soc_pct"]) * per_pct)
                for g in line.get("goals", ())
            ),
            power=car["power_kw"],
            charging=car.get("charging_now", False),
            penalty=policy.get("start_penalty", 0.0),
            max_blocks=policy.get("max_blocks"),
            min_block=policy.get("min_block_minutes", 0) / 60,
            min_pause=policy.get("min_pause_minutes", 0) / 60,
            vehicle=car,
        )

    def pieces(self, *cuts: float) -> list[Slot]:
        """The slots inside the window, cut at `cuts`."""
        edges = [0.0, self.deadline, *cuts]
        found = []
        for slot in self.slots:
            a, b = max(slot.start, 0.0), min(slot.end, self.deadline)
            inside = sorted({a, b, *(edge for edge in edges if a < edge < b)}) if a < b else []
            found += [Slot(x, y, slot.rate, slot.price) for x, y in pairwise(inside)]
        return found

    def rates(self, step: float) -> list[float]:
        """What decides in every step of the window, on a grid on which the edges of all slots lie."""
        middles = [(k + 0.5) * step for k in range(round(self.deadline / step))]
        return [next(slot.rate for slot in self.slots if slot.start <= at < slot.end) for at in middles]

    def bill(self, blocks: Sequence[tuple[float, float, float]], *, deciding: bool) -> float:
        """What (start, end, kWh) blocks cost: by what decides, or by what is paid; starts included."""
        total, on = self.penalty * self.starts(blocks), 0.0
        for a, b, _ in blocks:
            for slot in self.slots:
                begin, end = max(a, slot.start), min(b, slot.end)
                if begin < end:
                    rate = slot.rate if deciding else slot.price
                    total += rate * (self.kwh_after(on + end - a) - self.kwh_after(on + begin - a))
            on += b - a
        return total

    def kwh_after(self, hours: float) -> float:
        """Energy at the wall after so long on."""
        car = self.vehicle
        if not car.get("taper"):
            return self.power * hours
        return float(soc_after(car, hours * 60) - car["soc_pct"]) * float(car["usable_kwh"] / car["efficiency"] / 100)

    def starts(self, blocks: Sequence[tuple[float, float, float]]) -> int:
        """How many blocks begin anew."""
        return len(blocks) - self.goes_on(blocks)

    def goes_on(self, blocks: Sequence[tuple[float, float, float]]) -> bool:
        """Does the charge that runs now go on?"""
        return bool(blocks) and self.charging and blocks[0][0] <= 0

    def faults(self, blocks: Sequence[tuple[float, float, float]]) -> list[str]:
        """What a plan breaks of what was asked. The need itself is not looked at."""
        edges = [edge for a, b, _ in blocks for edge in (a, b)]
        found = []
        if edges and (edges[0] < 0 or edges[-1] > self.deadline + TINY or edges != sorted(edges)):
            found.append("outside the window or out of order")
        if self.max_blocks is not None and len(blocks) > self.max_blocks:
            found.append("too many blocks")
        if self.at_once > TINY and not (blocks and blocks[0][0] == 0 and blocks[0][2] >= self._soon() - TINY):
            found.append("the minimum is not charged at once")
        least = min(self.min_block, sum(b - a for a, b, _ in blocks))
        fresh = blocks[1:] if self.goes_on(blocks) or self.at_once > TINY else blocks
        if any(b - a < least - TINY for a, b, _ in fresh):
            found.append("a block is too short")
        ends = [0.0] if self.charging and blocks and blocks[0][0] > 0 else []
        ends += [b for _, b, _ in blocks[:-1]]
        begins = [a for a, _, _ in blocks[len(blocks) - len(ends) :]]
        if any(a - b < self.min_pause - TINY for a, b in zip(begins, ends, strict=True)):
            found.append("a pause is too short")
        for by, kwh in self.goals:
            got = sum(e * max(0.0, min(1.0, (by - a) / (b - a))) for a, b, e in blocks)
            if got < min(kwh, self.need, max(0.0, by) * self.power) - TINY:
                found.append("a goal is missed")
        return found

    def _soon(self) -> float:
        return min(self.at_once, self.need)


def _slot(slot: dict[str, Any], now: datetime, carbon_price: float) -> Slot:
    price = slot["price_per_kwh"] + carbon_price * slot.get("carbon_g_per_kwh", 0) * 1e-6
    start, end = ((datetime.fromisoformat(slot[name]) - now) / _HOUR for name in ("start", "end"))
    return Slot(start, end, price + slot.get("price_adder_per_kwh", 0), price)


def hours_of(vehicle: dict[str, Any], kwh: float) -> float:
    """How long the car must be on for so much energy at the wall."""
    if not vehicle.get("taper"):
        return float(kwh / vehicle["power_kw"])
    per_pct = vehicle["usable_kwh"] / vehicle["efficiency"] / 100
    soc = vehicle["soc_pct"]
    edges = _bends(vehicle, soc, soc + kwh / per_pct)
    return float(sum(_hours(vehicle, a, b) for a, b in pairwise(edges)) * per_pct)


def soc_after(vehicle: dict[str, Any], minutes: float) -> float:
    """The state of charge after so many minutes on."""
    per_pct = vehicle["usable_kwh"] / vehicle["efficiency"] / 100
    left, soc = minutes / 60 / per_pct, float(vehicle["soc_pct"])
    for a, b in pairwise([*_bends(vehicle, soc, 100.0), 1e9]):
        hours = _hours(vehicle, a, b)
        if hours >= left:
            p0, p1 = _power(vehicle, a), _power(vehicle, b)
            slope = (p1 - p0) / (b - a)
            return a + (p0 * left if abs(slope) < 1e-12 else p0 * (exp(slope * left) - 1) / slope)
        left -= hours
    raise AssertionError("time is long")


def _power(vehicle: dict[str, Any], soc: float) -> float:
    """kW at a state of charge: straight between the points, level outside them, never above the car's own."""
    points = vehicle["taper"]
    level: float = points[0][1] if soc <= points[0][0] else points[-1][1]
    for (s0, p0), (s1, p1) in pairwise(points):
        if s0 <= soc <= s1:
            level = p0 + (p1 - p0) * (soc - s0) / (s1 - s0)
    return min(float(vehicle["power_kw"]), level)


def _bends(vehicle: dict[str, Any], start: float, end: float) -> list[float]:
    """The states of charge between which power runs straight."""
    bends = {start, end}
    points, limit = vehicle["taper"], vehicle["power_kw"]
    for (s0, p0), (s1, p1) in pairwise(points):
        bends |= {s0, s1}
        if (p0 - limit) * (p1 - limit) < 0:
            bends.add(s0 + (s1 - s0) * (limit - p0) / (p1 - p0))
    bends |= {point[0] for point in points}
    return sorted(s for s in bends if start <= s <= end)


def _hours(vehicle: dict[str, Any], a: float, b: float) -> float:
    """The integral of 1 / power over a straight stretch, per kWh of one percent."""
    p0, p1 = _power(vehicle, a), _power(vehicle, b)
    return (b - a) / p0 if abs(p1 - p0) < 1e-12 else (b - a) * log(p1 / p0) / (p1 - p0)
