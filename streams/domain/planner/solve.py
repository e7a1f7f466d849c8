"""One car, one deadline: the best plan there is, and what it means in money, carbon and time.

The loosest way to choose is tried first. What it gives is taken if it also keeps to the stricter rules: nothing that
keeps to them can be cheaper. So most plans are one pass over sorted slots, and few need the grid of minutes.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from streams.domain.planner.cheapest import Span, cheapest, cheapest_with_goals, merged
from streams.domain.planner.curve import EPOCH, HOUR_US, MICROSECOND, MINUTE_US, Curve, Profile, instant, us
from streams.domain.planner.many import any_blocks
from streams.domain.planner.minutes import on_minutes
from streams.domain.planner.pair import Room, one_or_two
from streams.domain.planner.problem import Plan, PlanRequest, Policy, Window, start_cost
from streams.domain.planner.taper import Pace


def plan(request: PlanRequest) -> Plan:
    """The cheapest plan that meets the target; when none can, everything from now. ValueError: no power."""
    power, policy = request.power_kw, request.policy
    pace = _pace(request) if request.taper else None
    if power <= 0:
        raise ValueError("power_kw must be positive")
    now, ready = (request.now - EPOCH) // MICROSECOND, (request.ready_by - EPOCH) // MICROSECOND
    need = pace.time_us(request.need_kwh) if pace else round(request.need_kwh / power * HOUR_US)
    room = ready - now
    if need <= 0:
        return _finish(request, Window(now, now, now, 0, pace), [], 0)
    if need > room:
        return _finish(request, Window(now, now, ready, need, pace), [(now, ready)] if room > 0 else [], need)
    margin = policy.margin // MICROSECOND if policy.margin else 0
    deadline = ready - margin if need <= room - margin else ready
    if request.min_need_kwh <= 0 and not request.goals and pace is None and _free(policy):
        chosen = _by_price_alone(request, now, deadline, need)
        if chosen is not None:
            return chosen
    soon = 0
    if request.min_need_kwh > 0:
        least_kwh = min(request.min_need_kwh, request.need_kwh)
        soon = min(need, pace.time_us(least_kwh) if pace else round(least_kwh / power * HOUR_US))
    window = Window(now, now + soon, deadline, need - soon, pace)
    return _finish(request, window, _best(request, window) if window.left else window.head, need)


def _by_price_alone(request: PlanRequest, now: int, deadline: int, need: int) -> Plan | None:
    """The plan when nothing but prices decides and all of them are known: the common case, without detours."""
    curve = request.curve
    spans, missing = cheapest(curve, now, deadline, need, joined=request.charging_now)
    if missing or not curve.covers(now, deadline):
        return None
    blocks, energy_kwh, cost, carbon_g = curve.fill(spans, request.power_kw)
    objective = cost + curve.carbon_price * carbon_g * 1e-6
    return Plan(blocks, energy_kwh, cost, carbon_g, objective, True, 0.0, blocks[-1][1], curve.known_until, False)


def _pace(request: PlanRequest) -> Pace | None:
    """How power changes on the way to the target, if it does. ValueError: no power."""
    pace = Pace.of(request.power_kw, request.taper)
    steady = (request.need_kwh / request.power_kw) * HOUR_US
    return None if abs(pace.time_us(request.need_kwh) - steady) < 1 else pace


def _best(request: PlanRequest, window: Window) -> list[Span]:
    """Minimum first, then the best known time; the unknown only as far as needed, as late as possible."""
    policy, curve, head = request.policy, request.curve, window.head
    joined = request.charging_now or bool(head)
    goals: list[tuple[int, int]] = []
    if request.goals:
        goals = [(us(by), _on_time(request, window, kwh)) for by, kwh in request.goals]
        rest, missing = cheapest_with_goals(curve, window.soon, window.deadline, window.left, goals)
    else:
        rest, missing = cheapest(curve, window.soon, window.deadline, window.left, joined=joined)
    if missing:
        spans = _with_unknown(window, rest, missing)
        allowed = policy.max_blocks is None or len(spans) <= policy.max_blocks
        return spans if allowed else merged([*head, (window.soon, window.soon + window.left)])
    spans = merged(head + rest) if head else rest
    exact = window.pace is None
    if exact and (_free(policy) or _single(spans, request, joined=joined)):
        return spans
    if exact and not goals:
        few = _few(request, window, joined=joined)
        if few is not None and _keeps(few, request):
            return few
        spans = few or spans
    return on_minutes(request, window, goals) or spans


def _on_time(request: PlanRequest, window: Window, kwh: float) -> int:
    """Time on for the part of a goal that the minimum does not cover."""
    whole = window.pace.time_us(kwh) if window.pace else round(kwh / request.power_kw * HOUR_US)
    return max(0, whole - (window.soon - window.now))


def _free(policy: Policy) -> bool:
    """Does the policy leave everything to the prices?"""
    return policy.max_blocks is None and not (policy.start_penalty > 0 or policy.min_block or policy.min_pause)


def _single(spans: list[Span], request: PlanRequest, *, joined: bool) -> bool:
    """One block: no rule about blocks can ask for less, unless going on would save a start."""
    if len(spans) > 1 or (request.charging_now and not _keeps(spans, request)):
        return False
    return request.policy.start_penalty <= 0 or not joined or spans[0][0] == us(request.now)


def _few(request: PlanRequest, window: Window, *, joined: bool) -> list[Span] | None:
    """The best blocks in known time without a gap, as many as there may be; None where it has one."""
    known = _known(request.curve, window, joined=joined)
    if known is None:
        return None
    most = request.policy.max_blocks
    if timedelta(microseconds=window.left) <= request.policy.min_block and not window.head:
        most = 1
    edges, rates, joined = known
    whole = not any(value % MINUTE_US for value in (*edges, window.left))
    unit = MINUTE_US if whole else 1
    room = Room(
        edges=[edge // unit for edge in edges],
        rates=rates,
        start_cost=start_cost(request.policy.start_penalty, request.power_kw, unit),
        joined=joined,
        going=most or 0,
        fresh=most - len(window.head) if most else 0,
    )
    need = window.left // unit
    few = most is not None and most <= 2
    found = one_or_two(room, need) if few else any_blocks(room, need, capped=most is not None)
    return None if found is None else merged(window.head + [(a * unit, b * unit) for a, b in found])


def _known(curve: Curve, window: Window, *, joined: bool) -> tuple[list[int], list[int], bool] | None:
    """Edges and rates of the known time in the window, and whether a running block may go on into it."""
    edges: list[int] = []
    rates: list[int] = []
    for start, end, rate in zip(curve.starts, curve.ends, curve.rates, strict=True):
        a, b = max(start, window.soon), min(end, window.deadline)
        if a >= b:
            continue
        if not edges:
            edges.append(a)
        elif edges[-1] != a:
            return None
        edges.append(b)
        rates.append(rate)
    return (edges, rates, joined and edges[0] == window.soon) if edges else None


def _keeps(spans: list[Span], request: PlanRequest) -> bool:
    """Are no block and no pause too short? The block that begins at once may be: it runs, or has to."""
    policy, now = request.policy, us(request.now)
    least = min(policy.min_block // MICROSECOND, sum(b - a for a, b in spans))
    begun = request.charging_now or request.min_need_kwh > 0
    blocks = spans[1:] if begun and spans[0][0] == now else spans
    stops = [now] if request.charging_now and spans[0][0] > now else []
    edges = [*stops, *(edge for span in spans for edge in span)][1 - len(stops) :]
    pauses = (after - before for before, after in zip(edges[::2], edges[1::2], strict=False))
    return all(b - a >= least for a, b in blocks) and all(p >= policy.min_pause // MICROSECOND for p in pauses)


def _with_unknown(window: Window, known: list[Span], missing: int) -> list[Span]:
    """All known time and the rest in time without a price, the latest; at once when nothing is known."""
    if not known:
        return merged([*window.head, (window.soon, window.soon + window.left)])
    edges = [window.soon, *(edge for span in known for edge in span), window.deadline]
    spans = [*window.head, *known]
    for a, b in reversed(list(zip(edges[::2], edges[1::2], strict=True))):
        length = min(missing, b - a)
        if length:
            spans.append((b - length, b))
            missing -= length
    return merged(sorted(spans))


def _finish(request: PlanRequest, window: Window, spans: list[Span], need: int) -> Plan:
    """What the spans mean in energy, money and carbon. Provisional: prices were missing before the deadline."""
    curve, penalty = request.curve, request.policy.start_penalty
    blocks, energy_kwh, cost, carbon_g = _fill(curve, spans, request.power_kw, window.pace)
    objective = cost + curve.carbon_price * carbon_g * 1e-6
    if penalty and spans:
        objective += penalty * (len(spans) - (request.charging_now and spans[0][0] == window.now))
    if need > window.deadline - window.now:
        late = request.now + timedelta(microseconds=need)
        return Plan(
            blocks,
            energy_kwh,
            cost,
            carbon_g,
            objective,
            False,
            request.need_kwh - energy_kwh,
            late,
            curve.known_until,
            False,
        )
    done_at = blocks[-1][1] if blocks else request.now
    provisional = bool(spans) and not curve.covers(window.now, window.deadline)
    return Plan(blocks, energy_kwh, cost, carbon_g, objective, True, 0.0, done_at, curve.known_until, provisional)


def _fill(curve: Curve, spans: list[Span], power_kw: float, pace: Pace | None) -> tuple[Profile, float, float, float]:
    """Blocks, energy, cost and carbon of spans."""
    if pace is None and spans and curve.covers(spans[0][0], spans[-1][1]):
        return curve.fill(spans, power_kw)
    if pace is None:
        steady = tuple([(instant(a), instant(b), (b - a) * power_kw / HOUR_US) for a, b in spans])
        return steady, sum(kwh for _, _, kwh in steady), *curve.bill(steady)
    blocks, pieces, on = [], [], 0
    for a, b in spans:
        edges = [a, *(edge for edge in curve.starts if a < edge < b), b]
        energy = [pace.energy(on + edge - a) for edge in edges]
        pieces += [
            (instant(x), instant(y), f - e) for (x, y), (e, f) in zip(pairwise(edges), pairwise(energy), strict=True)
        ]
        blocks.append((instant(a), instant(b), energy[-1] - energy[0]))
        on += b - a
    return tuple(blocks), sum(kwh for _, _, kwh in blocks), *curve.bill(tuple(pieces))
