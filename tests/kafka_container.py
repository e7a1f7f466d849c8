"""Apache Kafka's own image under testcontainers, whose ready-made class runs only Confluent's images."""

from typing import Self

from testcontainers.core.container import DockerContainer

from deploy.brokers.errors import BrokerError
from deploy.brokers.jars import kafka_version
from deploy.brokers.local import loopback_ports, server_settings
from deploy.brokers.readiness import wait_until_ready

_CLIENT_PORT = 9092
_READY_LIMIT_SECONDS = 90


class ApacheKafkaContainer(DockerContainer):
    """The pinned Kafka with the settings of the local one, reachable on loopback only."""

    def __init__(self) -> None:
        super().__init__(f"apache/kafka:{kafka_version()}")
        port, controller_port = loopback_ports(None)
        self.bootstrap = f"127.0.0.1:{port}"
        self.with_bind_ports(_CLIENT_PORT, ("127.0.0.1", port))
        settings = server_settings(port=port, controller_port=controller_port, data="/var/lib/kafka/data")
        settings["listeners"] = f"PLAINTEXT://:{_CLIENT_PORT},CONTROLLER://127.0.0.1:{controller_port}"
        for key, value in settings.items():
            self.with_env("KAFKA_" + key.upper().replace(".", "_"), value)

    def start(self) -> Self:
        super().start()
        if not wait_until_ready(self.bootstrap, limit_seconds=_READY_LIMIT_SECONDS, alive=lambda: True):
            log = self.get_logs()[0].decode(errors="replace")
            self.stop()
            raise BrokerError(f"the container {self.image} did not become ready:\n{log[-2000:]}")
        return self
