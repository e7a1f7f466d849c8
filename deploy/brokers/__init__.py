"""The brokers D2EV can start by itself: one inside the process, and a local Apache Kafka."""
