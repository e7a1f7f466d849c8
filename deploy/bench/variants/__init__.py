"""One process per variant: each reads a Job from its arguments and prints one JSON line with what it measured."""
