"""Both fake push services behind one address, and devices registered with them as an app would."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from aiohttp import web

from agents.envelope import push_context
from agents.push.webpush import new_vapid_key
from agents.sealing import Sealer
from deploy.fakes.fcm import FakeFcm
from deploy.fakes.maker import serve
from deploy.fakes.screens import Screens
from deploy.fakes.webpush import FakeWebPush
from streams.contracts.push_device import PushDevice
from streams.domain.ids import stable_id

Kind = Literal["fcm", "webpush"]


class PushServices:
    """FCM and a Web Push service on this machine. `screens` knows what every device was shown."""

    def __init__(self, file: Path | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.screens = Screens(file)
        self.fcm = FakeFcm(self.screens, clock=clock)
        self.web = FakeWebPush(self.screens, clock=clock)
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Serve on any port of loopback; returns the address."""
        self._runner, self.url = await serve(self)
        return self.url

    def app(self) -> web.Application:
        """Both as one aiohttp application."""
        app = web.Application()
        self.fcm.routes(app)
        self.web.routes(app)
        return app

    async def close(self) -> None:
        """End it; whoever still waits for a slow answer gets it now."""
        if self._runner is not None:
            await self._runner.cleanup()

    def settings(self) -> dict[str, str]:
        """What makes a worker push here, by the names of its settings in the environment."""
        return {
            "D2EV_FCM_KEY": self.fcm.key_file(self.url),
            "D2EV_FCM_URL": self.url,
            "D2EV_VAPID_KEY": new_vapid_key(),
            "D2EV_VAPID_CONTACT": "mailto:nobody@example.org",
            "D2EV_PUSH_HOSTS": json.dumps(["127.0.0.1"]),
        }

    def target(self, name: str, kind: Kind) -> str:
        """Where a phone or browser of that name is reached, as an app would tell it."""
        return name if kind == "fcm" else json.dumps(self.web.browser(name).subscription(self.url))

    def device(self, driver: str, account: str, kind: Kind, sealer: Sealer, at: datetime) -> PushDevice:
        """The record that registers a device of a driver; its name on the screens is `<driver>.<kind>`."""
        target = self.target(f"{driver}.{kind}", kind)
        sealed = sealer.seal(target.encode(), push_context(account))
        key = f"{account}.{stable_id(driver, kind, account)}"
        return PushDevice(device=key, driver=driver, kind=kind, target_sealed=sealed, since=at)
