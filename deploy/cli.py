"""The `d2ev` command: every process and tool of a deployment behind one door. Bad input is one line and exit code 2."""

from __future__ import annotations

import sys

import typer
from aiokafka.errors import KafkaConnectionError

from agents.settings import BadSettings
from deploy.bench.pipeline import VariantFailed
from deploy.brokers.errors import BrokerError
from deploy.commands import (
    api,
    asyncapi,
    backtest,
    bench,
    bridge,
    broker,
    demo,
    docs,
    doctor,
    drill,
    explain,
    export,
    feeds,
    guardian,
    ingress,
    migrate,
    oem,
    plan,
    processes,
    push_key,
    queries,
    release,
    replay,
    report,
    schemas,
    sql,
    tail,
    topics,
)
from deploy.demo.quiet import NeverQuiet
from deploy.demo.workers import WorkerFailed
from deploy.migrate.errors import CannotExpand
from deploy.schema_registry import RegistryTrouble
from deploy.topics import TopicsDiffer
from oem_connectors.registry import RegistryError

#: What a user can mend; everything else is a defect and keeps its traceback.
BAD_INPUT = (BadSettings, ValueError, RegistryError)
TROUBLE = (BrokerError, TopicsDiffer, CannotExpand, RegistryTrouble, WorkerFailed, NeverQuiet, VariantFailed)


def app() -> typer.Typer:
    """The command line, assembled."""
    cli = typer.Typer(
        name="d2ev",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Charges electric cars when energy is cheap and clean by talking directly to the car.",
    )
    cli.command("demo")(demo.demo)
    cli.command("worker")(processes.worker)
    cli.command("guardian")(guardian.guardian)
    cli.command("ingress")(ingress.ingress)
    cli.command("bridge")(bridge.bridge)
    cli.command("api")(api.api)
    cli.command("push-key")(push_key.push_key)
    cli.command("release-all")(release.release_all)
    cli.command("simulator")(processes.simulator)
    cli.add_typer(feeds.app(), name="feeds")
    cli.add_typer(oem.app(), name="oem")
    cli.add_typer(topics.app(), name="topics")
    cli.add_typer(broker.app(), name="broker")
    cli.command("migrate")(migrate.migrate)
    cli.add_typer(bench.app(), name="bench")
    cli.command("plan")(plan.plan)
    cli.command("backtest")(backtest.backtest)
    cli.command("asyncapi")(asyncapi.asyncapi)
    cli.add_typer(schemas.app(), name="schemas")
    cli.command("tail")(tail.tail)
    cli.command("replay")(replay.replay)
    cli.command("sql")(sql.sql)
    cli.command("report")(report.report)
    cli.command("export")(export.export)
    cli.command("queries")(queries.queries)
    cli.command("pseudonym")(sql.pseudonym)
    cli.command("explain")(explain.explain)
    cli.command("doctor")(doctor.doctor)
    cli.command("drill")(drill.drill)
    cli.command("docs", hidden=True)(docs.docs)
    return cli


def main() -> None:
    """Entry point."""
    try:
        app()(standalone_mode=True)
    except BAD_INPUT as error:
        _end(error, 2)
    except TROUBLE as error:
        _end(error, 1)
    except KafkaConnectionError as error:
        _end(f"{error}; start one with `make up` or set D2EV_BOOTSTRAP", 1)
    except OSError as error:
        _end(error, 1)


def _end(error: Exception | str, code: int) -> None:
    print(f"d2ev: {error}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
