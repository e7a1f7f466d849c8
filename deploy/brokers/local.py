"""A single Apache Kafka on this machine without Docker: jars by Maven coordinates, KRaft, loopback only.

For development, the integration and fault tests, and pilots. Data survive a stop and a kill.
"""

import json
import socket
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from deploy.brokers import processes
from deploy.brokers.errors import BrokerError
from deploy.brokers.jars import java_command, kafka_jars
from deploy.brokers.readiness import wait_until_ready

HOME = Path(__file__).resolve().parents[2] / ".kafka"
DEFAULT_PORT = 9092
_READY_LIMIT_SECONDS = 90
_LOG_TAIL_LINES = 15

_SETTINGS = Path(__file__).with_name("server.properties")


class LocalKafka:
    """One broker with its data in `directory`; several may run side by side, sharing the jars.

    Args:
        directory: holds data, settings, log and the pid file; kept by `stop`.
        port: where clients connect on 127.0.0.1; a free one by default, then the same at every start.
        also: settings beyond server.properties, or instead of its own; ports may stand in braces, as there.
        format_options: how its storage is made, for example with users.
        java_options: for its Java, after our own.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        also: Mapping[str, str] = MappingProxyType({}),
        format_options: Sequence[str] = (),
        java_options: Sequence[str] = (),
    ) -> None:
        self._directory = directory.resolve()
        self._settings = self._directory / "server.properties"
        self._state = self._directory / "broker.json"
        self._log = self._directory / "broker.log"
        self._port = port
        self._also, self._format_options, self._java_options = also, format_options, java_options

    def start(self) -> str:
        """Start it, wait until a record goes round, and return `127.0.0.1:<port>`.

        Raises:
            BrokerError: Java, Maven or the port is missing, or Kafka did not come up.
        """
        if (running := self.address()) is not None:
            return running
        java, jars = java_command(), kafka_jars(HOME / "jars")
        self._directory.mkdir(parents=True, exist_ok=True)
        port, controller_port = loopback_ports(self._port)
        data = self._directory / "data"
        settings = server_settings(port=port, controller_port=controller_port, data=str(data))
        ports = {"port": port, "controller_port": controller_port}
        settings |= {name: value.format_map(ports) for name, value in self._also.items()}
        self._settings.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        base = [java, "-Xmx512m", "-XX:+UseSerialGC", "-Dlog4j2.level=WARN", *self._java_options, "-cp", f"{jars}/*"]
        if not (data / "meta.properties").exists():
            self._format(base)
        self._log.unlink(missing_ok=True)
        pid = processes.spawn([*base, "kafka.Kafka", str(self._settings)], self._log)
        self._port = port
        self._state.write_text(json.dumps({"pid": pid, "port": port}))
        self._wait_until_ready(pid)
        return self.bootstrap

    def stop(self, *, kill: bool = False) -> bool:
        """Stop it (`kill`: as a power cut would) and keep the data; False when it was not running."""
        pid = self._pid()
        if pid is None:
            return False
        processes.end(pid, str(self._settings), kill=kill)
        self._state.unlink(missing_ok=True)
        return True

    def restart(self, *, kill: bool = False) -> str:
        """Stop it (`kill`: as a power cut would) and start it again on the same port with its data."""
        self.stop(kill=kill)
        return self.start()

    def address(self) -> str | None:
        """`127.0.0.1:<port>` of the running broker, or None."""
        return self.bootstrap if self._pid() is not None else None

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:<port>`, also while it is stopped."""
        if self._port is None:
            raise BrokerError("this local Kafka has no address yet; call start() first")
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _pid(self) -> int | None:
        try:
            state = json.loads(self._state.read_text())
        except FileNotFoundError:
            return None
        if not processes.is_alive(state["pid"], str(self._settings)):
            return None
        self._port = state["port"]
        return int(state["pid"])

    def _format(self, base: list[str]) -> None:
        cluster = uuid.uuid4().hex[:22]
        command = [*base, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._settings)]
        command += self._format_options
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if run.returncode:
            raise BrokerError(f"Kafka could not format {self._directory}: {_tail(run.stdout + run.stderr)}")

    def _wait_until_ready(self, pid: int) -> None:
        def alive() -> bool:
            return processes.is_alive(pid, str(self._settings))

        if not wait_until_ready(self.bootstrap, limit_seconds=_READY_LIMIT_SECONDS, alive=alive):
            self.stop(kill=True)
            raise BrokerError(f"Kafka did not start; the end of {self._log}:\n{_tail(self._log.read_text())}")


def up(port: int = DEFAULT_PORT) -> str:
    """Start this machine's Kafka (data under .kafka/) unless it runs already; its address.

    Raises:
        BrokerError: it cannot start, or already runs on another port.
    """
    broker = LocalKafka(HOME, port)
    address = broker.start()
    if address != f"127.0.0.1:{port}":
        raise BrokerError(f"the local Kafka already runs on {address}; stop it first: make down")
    return address


def down() -> bool:
    """Stop this machine's Kafka and keep its data; False when it was not running."""
    return LocalKafka(HOME).stop()


def status() -> str | None:
    """Address of this machine's Kafka, or None when it is not running."""
    return LocalKafka(HOME).address()


def server_settings(*, port: int, controller_port: int, data: str) -> dict[str, str]:
    """The broker's settings by name, with its ports and data folder filled in."""
    text = _SETTINGS.read_text().format(port=port, controller_port=controller_port, data=data)
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def loopback_ports(wanted: int | None) -> tuple[int, int]:
    """Two free ports on 127.0.0.1, the first one `wanted` if given.

    Raises:
        BrokerError: the wanted port is taken.
    """
    with ExitStack() as held:
        found = []
        for port in (wanted or 0, 0):
            listener = held.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                raise BrokerError(f"port {port} on 127.0.0.1 is taken; choose another one") from None
            found.append(int(listener.getsockname()[1]))
        return found[0], found[1]


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LOG_TAIL_LINES:])
