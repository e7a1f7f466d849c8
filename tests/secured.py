"""A real Kafka that asks who is there: TLS by an authority of its own, SCRAM logins, and nothing allowed by default.

Its plain listener is for the test itself, which is the administrator; processes under test get the other one.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.brokers.local import LocalKafka
from tests.kafka_chain import SHORT_LIVED

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Signed:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        """Both, key first, as Kafka and OpenSSL read them."""
        return self.key_pem() + self.certificate_pem()

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def authority() -> Signed:
    """Who signs."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("authority of this test")
    built = _built(name, name, key, x509.BasicConstraints(ca=True, path_length=0))
    return Signed(built.sign(key, hashes.SHA256()), key)


def signed(by: Signed, host: str = "127.0.0.1", *, ends: timedelta = 30 * DAY) -> Signed:
    """A broker's certificate for that address or name."""
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        place: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        place = x509.DNSName(host)
    basic = x509.BasicConstraints(ca=False, path_length=None)
    built = _built(_name("broker"), by.certificate.subject, key, basic, ends)
    built = built.add_extension(x509.SubjectAlternativeName([place]), critical=False)
    return Signed(built.sign(by.key, hashes.SHA256()), key)


def _built(
    name: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    basic: x509.BasicConstraints,
    ends: timedelta = 30 * DAY,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 60 * DAY)
        .not_valid_after(now + ends)
        .add_extension(basic, critical=True)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@dataclass(frozen=True)
class Secured:
    """The broker: `plain` for the administrator, `bootstrap` for everybody else."""

    plain: str
    bootstrap: str
    ca: Path

    def environment(self, user: str) -> dict[str, str]:
        """The settings of a process that logs in as `user`."""
        return {
            "D2EV_BOOTSTRAP": self.bootstrap,
            "D2EV_KAFKA_PROTOCOL": "SASL_SSL",
            "D2EV_KAFKA_CA": str(self.ca),
            "D2EV_KAFKA_USER": user,
            "D2EV_KAFKA_PASSWORD": password(user),
        }


def password(user: str) -> str:
    return f"the word of {user}"


@contextmanager
def secured_kafka(directory: Path, users: Iterable[str], certificate: Signed | None = None) -> Iterator[Secured]:
    """Run it, with a login for each of `users` and no rights for any."""
    directory.mkdir(parents=True, exist_ok=True)
    ours = authority()
    keystore, ca = directory / "broker.pem", directory / "ca.pem"
    keystore.write_bytes((certificate or signed(ours)).pem())
    ca.write_bytes(ours.certificate_pem())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    also = {
        "listeners": f"PLAINTEXT://127.0.0.1:{{port}},OUTSIDE://127.0.0.1:{port},CONTROLLER://127.0.0.1:{{controller_port}}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{{port}},OUTSIDE://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,OUTSIDE:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.outside.scram-sha-512.sasl.jaas.config": module,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keystore),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
    }
    logins = [
        part for user in users for part in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password(user)}]")
    ]
    with LocalKafka(directory, also=also, format_options=logins, java_options=SHORT_LIVED) as broker:
        yield Secured(broker.bootstrap, f"127.0.0.1:{port}", ca)
