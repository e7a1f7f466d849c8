"""The settings of a demo, for the processes it starts."""

from __future__ import annotations

import json

from pydantic import SecretStr

from agents.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """What makes another process run as this one is set."""
    return {
        "D2EV_ENV": settings.env,
        "D2EV_BOOTSTRAP": settings.bootstrap,
        "D2EV_PARTITIONS": str(settings.partitions),
        "D2EV_CLOCK": settings.clock,
        "D2EV_FETCH_WAIT_MS": str(settings.fetch_wait_ms),
        "D2EV_OEM_URLS": json.dumps(settings.oem_urls),
        "D2EV_OEM_APPS": json.dumps(_plain(settings.oem_apps)),
        "D2EV_POLL_GRID_SECONDS": str(settings.poll_grid_seconds),
        "D2EV_SESSION_TIMEOUT_SECONDS": str(settings.session_timeout_seconds),
        "D2EV_LOG_LEVEL": "info",
    }


def _plain(apps: dict[str, dict[str, SecretStr]]) -> dict[str, dict[str, str]]:
    return {oem: {name: secret.get_secret_value() for name, secret in app.items()} for oem, app in apps.items()}
