"""The ingress: a process of its own that takes what makers tell unasked, and writes it down as telemetry."""
