"""Rules for tests that stop clients of Kafka at any moment."""

import gc
from collections.abc import AsyncIterator

import pytest
from aiokafka.conn import AIOKafkaConnection


@pytest.fixture(autouse=True)
async def _no_connection_left() -> AsyncIterator[None]:
    """aiokafka, stopped while it connects, forgets that connection: close it here, or it fails any later test."""
    yield
    for connection in [one for one in gc.get_objects() if type(one) is AIOKafkaConnection]:
        connection.close()
