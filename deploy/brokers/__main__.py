"""`python -m deploy.brokers up|down|status`: the local Kafka behind `make up` and `make down`."""

import argparse
import sys

from deploy.brokers import local
from deploy.brokers.errors import BrokerError


def main() -> int:
    """Run one action; 0 when done, 2 with one line on stderr when it cannot be."""
    parser = argparse.ArgumentParser(prog="python -m deploy.brokers", description=local.__doc__)
    parser.add_argument("action", choices=["up", "down", "status"])
    parser.add_argument("--port", type=int, default=local.DEFAULT_PORT)
    arguments = parser.parse_args()
    try:
        if arguments.action == "up":
            print(f"Kafka is ready on {local.up(arguments.port)}")
        elif arguments.action == "down":
            print("Kafka is stopped; its data stay in .kafka/" if local.down() else "Kafka was not running")
        else:
            print(local.status() or "not running")
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
