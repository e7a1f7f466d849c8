"""Composition root: settings in, worker out. `pipeline` lists the stages in flow order; only deploy may import this."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx

from agents import (
    accounts,
    capacity,
    commands,
    confirmation,
    demand,
    dispatch,
    driver_status,
    forecasts,
    notifications,
    outbox,
    planning,
    plug_events,
    polling,
    settlement,
    vehicle_state,
)
from agents.cars import Cars
from agents.clock import Clock, LogClock, SystemClock
from agents.engine.stage import Stage
from agents.metrics import Metrics
from agents.push.phones import phones
from agents.quotas import Quotas
from agents.sealing import Sealer
from agents.settings import Settings
from agents.turns import Turns
from agents.worker import Worker
from oem_connectors import registry
from oem_connectors.http import OemClient, make_http
from oem_connectors.wire import hosts_of
from streams.domain.budget import Budget
from streams.domain.case import PlanRules
from streams.domain.reconcile import ControlPolicy

#: How long telemetry may take to show what a command did.
CONFIRM_WINDOW = timedelta(minutes=10)


def pipeline(
    settings: Settings,
    cars: Callable[[], Cars],
    clock: Clock,
    metrics: Metrics,
    sealer: Sealer,
    http: httpx.AsyncClient,
) -> tuple[Stage, ...]:
    """Every stage, in flow order: from a registration to the push on the driver's phone."""
    connectors, budgets = registry.load(), dispatch.Budgets(Budget)
    turns = Turns(Quotas(connectors, settings.partitions), settings.partitions, settings.starts_per_second)
    return (
        accounts.stage(sealer, lambda partition, account: cars().renew(partition, account), metrics),
        polling.stage(cars, connectors, settings.partitions, budgets, metrics, settings.poll_grid),
        vehicle_state.STAGE,
        plug_events.stage(metrics),
        forecasts.STAGE,
        planning.stage(PlanRules(edge_spread=timedelta(seconds=settings.edge_spread_seconds))),
        demand.STAGE,
        capacity.STAGE,
        dispatch.stage(ControlPolicy(), connectors, turns, budgets, metrics),
        commands.stage(cars, clock, metrics),
        confirmation.stage(CONFIRM_WINDOW, metrics),
        settlement.stage(metrics),
        driver_status.stage(connectors),
        notifications.stage(phones(settings, http, SystemClock(), metrics), sealer, clock, metrics),
    )


def build(settings: Settings, http: httpx.AsyncClient | None = None, *, expanded: bool = False) -> Worker:
    """A worker that runs the whole pipeline. `expanded`: there were fewer partitions until lately."""
    metrics = Metrics()
    clock: Clock = SystemClock() if settings.clock == "system" else LogClock()
    sealer = settings.sealer()
    client = http or make_http()
    # Apart from the cars' clouds: a push service that hangs must not hold up a command.
    to_phones = http or make_http()
    clients = {
        name: OemClient(connector, client, hosts_of(connector, settings.oem_urls), settings.oem_apps.get(name))
        for name, connector in registry.load().items()
    }
    cars: Cars
    stages = pipeline(settings, lambda: cars, clock, metrics, sealer, to_phones)
    worker = Worker(settings, stages, clock, metrics, sealer)
    worker.runtime.expanded = expanded
    custody, sender = (next(one for one in stages if one.name == name) for name in ("accounts", "commands"))
    lane = worker.runtime.lane
    cars = Cars(
        clients,
        lambda partition: lane(custody, partition),
        lambda partition, car: outbox.may_hold(lane(sender, partition), car),
        sealer,
        clock,
        metrics,
    )
    worker.on_finish(cars.settle, cars.resume)
    worker.on_stop(client.aclose)
    worker.on_stop(to_phones.aclose)
    return worker
