"""Apache Kafka's own image under testcontainers, whose ready-made class runs only Confluent's images."""

from testcontainers.core.container import DockerContainer

from deploy.brokers.errors import BrokerError
from deploy.brokers.jars import kafka_version
from deploy.brokers.local import loopback_ports, server_settings
from deploy.brokers.readiness import wait_until_ready

_CLIENT_PORT = 9092
_READY_LIMIT_SECONDS = 90


class ContainerKafka:
    """The pinned Kafka with the settings of the local one, on loopback; used like a `LocalKafka`."""

    def __init__(self) -> None:
        port, controller_port = loopback_ports(None)
        self.bootstrap = f"127.0.0.1:{port}"
        self._container = DockerContainer(f"apache/kafka:{kafka_version()}")
        self._container.with_bind_ports(_CLIENT_PORT, ("127.0.0.1", port))
        settings = server_settings(port=port, controller_port=controller_port, data="/var/lib/kafka/data")
        settings["listeners"] = f"PLAINTEXT://:{_CLIENT_PORT},CONTROLLER://127.0.0.1:{controller_port}"
        for key, value in settings.items():
            self._container.with_env("KAFKA_" + key.upper().replace(".", "_"), value)

    def start(self) -> str:
        """Start it, the first time or again with its data, and return its address."""
        created = self._container.get_wrapped_container()
        if created is None:
            self._container.start()
        else:
            created.start()
        if not wait_until_ready(self.bootstrap, limit_seconds=_READY_LIMIT_SECONDS, alive=lambda: True):
            log = b"\n".join(self._container.get_logs()).decode(errors="replace")
            self.remove()
            raise BrokerError(f"the container of {self._container.image} did not serve:\n{log[-2000:]}")
        return self.bootstrap

    def stop(self, *, kill: bool = False) -> bool:
        """Stop it (`kill`: as a power cut would) and keep the data."""
        created = self._container.get_wrapped_container()
        if kill:
            created.kill()
        else:
            created.stop()
        return True

    def restart(self, *, kill: bool = False) -> str:
        """Stop and start it with its data, on the same address."""
        self.stop(kill=kill)
        return self.start()

    def remove(self) -> None:
        """End it and forget its data."""
        self._container.stop()
