"""Every test of this suite gets a real Kafka, or fails saying how to provide one."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import empty_kafka
from tests.kafka_chain import kafka

__all__ = ["empty_kafka", "kafka"]


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """In memory where there is such a place: a worker that starts twenty times opens its stores twenty times."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        yield Path(directory) / "run"
