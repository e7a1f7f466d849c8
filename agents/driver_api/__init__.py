"""The driver's side over HTTP: link a car, see its plan and why, change it. Reads the log, writes wishes to it."""
