"""Expansion and rolling upgrade under a stream of readings: `make scale`."""
