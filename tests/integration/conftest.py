"""Every test of this suite gets a real Kafka, or fails saying how to provide one."""

from tests.kafka_chain import kafka, own_kafka

__all__ = ["kafka", "own_kafka"]
