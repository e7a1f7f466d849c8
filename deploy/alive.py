"""Whether the process of this container is well: asks its own health endpoint, with the standard library alone."""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

DEFAULT_PORT = 8099
SECONDS = 4


def alive(host: str, port: int) -> bool:
    """Does `/healthz` answer 200?"""
    connection = HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """0 when it is well, else 1."""
    host = "::1" if ":" in os.environ.get("D2EV_LISTEN", "") else "127.0.0.1"
    return 0 if alive(host, int(os.environ.get("D2EV_HEALTH_PORT", DEFAULT_PORT))) else 1


if __name__ == "__main__":
    sys.exit(main())
