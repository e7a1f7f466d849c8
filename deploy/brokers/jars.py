"""What a local Kafka is made of: a Java runtime, and jars fetched once by their Maven coordinates."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from deploy.brokers.errors import BrokerError

_POM = Path(__file__).with_name("pom.xml")
_OLDEST_JAVA = 17
_FETCH_LIMIT_SECONDS = 900


def kafka_version() -> str:
    """The pinned Apache Kafka version, such as `4.4.0`, from pom.xml."""
    found = re.search(r"<kafka\.version>(.+)</kafka\.version>", _POM.read_text())
    if found is None:
        raise BrokerError(f"no kafka.version in {_POM}")
    return found[1]


def java_command() -> str:
    """Path of a Java that can run Kafka, from JAVA_HOME or PATH.

    Raises:
        BrokerError: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    remedy = f"install Java {_OLDEST_JAVA} or newer (Debian: apt-get install openjdk-17-jre-headless)"
    if java is None or not Path(java).exists():
        raise BrokerError(f"a local Kafka needs Java and none was found; {remedy}")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr
    major = re.search(r'version "(\d+)', told)
    if major is None or int(major[1]) < _OLDEST_JAVA:
        raise BrokerError(f"{java} is too old for Kafka {kafka_version()}; {remedy}")
    return java


def kafka_jars(directory: Path) -> Path:
    """The folder of broker jars below `directory`, fetched with Maven the first time.

    Raises:
        BrokerError: the jars are not there and Maven is missing or cannot fetch them.
    """
    jars = directory / kafka_version()
    if not jars.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory) as fetched:
            _fetch(Path(fetched, "jars"))
            if not jars.is_dir():  # somebody else may have been quicker
                Path(fetched, "jars").rename(jars)
    return jars


def _fetch(into: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError(
            f"Kafka {kafka_version()} is fetched with Maven and mvn was not found; "
            "install it once (Debian: apt-get install maven)"
        )
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={into}"]
    command = [maven, "-B", "-q", "-f", str(_POM), "dependency:copy-dependencies", *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_FETCH_LIMIT_SECONDS)
    if run.returncode or not into.is_dir():
        cause = next((line for line in run.stdout.splitlines() if "ERROR" in line), "no reason given")
        raise BrokerError(f"Maven could not fetch Kafka {kafka_version()}: {cause}")
