"""Why a Kafka does not answer is told apart, with what to do."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from agents.settings import load
from deploy.brokers.silence import silence
from tests.secured import Signed, authority, signed

DAY = timedelta(days=1)


@contextmanager
def listening(certificate: Signed | None, directory: Path) -> Iterator[int]:
    """Somebody who shows this certificate, or who speaks no TLS, and then says nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate is not None:
        (directory / "own.pem").write_bytes(certificate.pem())
        context.load_cert_chain(directory / "own.pem")

    def answer() -> None:
        while True:
            try:
                caller, _ = door.accept()
            except OSError:
                return
            with caller, suppress(OSError):
                caller.settimeout(5)
                if certificate is None:
                    caller.recv(1000)
                else:
                    context.wrap_socket(caller, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = Thread(target=answer)
        thread.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
    thread.join()


OURS = authority()


@pytest.mark.parametrize(
    ("certificate", "protocol", "said"),
    [
        (signed(OURS, ends=-DAY), "SSL", "is not believed, or it speaks no TLS: certificate has expired"),
        (signed(OURS, host="kafka-1.example"), "SSL", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        (signed(authority()), "SSL", "is not believed"),
        (signed(OURS), "PLAINTEXT", "wants TLS: D2EV_KAFKA_PROTOCOL"),
        (None, "SSL", "no Kafka answers at|or it speaks no TLS"),
        (None, "PLAINTEXT", "no Kafka answers at"),
    ],
    ids=["expired", "another host", "another authority", "wants TLS", "no TLS", "no Kafka"],
)
def test_a_kafka_that_does_not_answer(certificate: Signed | None, protocol: str, said: str, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(OURS.certificate_pem())
    given: dict[str, object] = {"kafka_ca": ca} if protocol == "SSL" else {}
    with listening(certificate, tmp_path) as port:
        why = silence(load({}, bootstrap=f"127.0.0.1:{port}", kafka_protocol=protocol, **given))
    assert any(words in why.said for words in said.split("|")), why.said
    assert f"127.0.0.1:{port}" in why.said
    assert "D2EV_" in why.mend
    assert "\n" not in why.said
