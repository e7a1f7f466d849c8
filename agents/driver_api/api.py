"""What the routes share: the read model, the wishes, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer

from agents.clock import Clock
from agents.driver_api.errors import Refusal
from agents.driver_api.identity import NotBelieved, Verifier, bearer
from agents.driver_api.limits import Limits, retry_after
from agents.driver_api.linking import Links
from agents.driver_api.metrics import ApiMetrics
from agents.driver_api.once import Answers
from agents.driver_api.read_model import ReadModel
from agents.driver_api.session import Sessions
from agents.driver_api.writes import Wishes
from agents.settings import Settings

_NOT_SIGNED_IN: Final = "please sign in"


@dataclass(frozen=True)
class Api:
    """Everything that answers drivers. `clock` is the pipeline's, `wall` the real one."""

    settings: Settings
    base_url: str
    read: ReadModel
    wishes: Wishes
    links: Links
    answers: Answers
    verifier: Verifier
    sessions: Sessions
    limits: Limits
    metrics: ApiMetrics
    clock: Clock
    wall: Clock

    async def who(self, request: Request) -> str | None:
        """The driver who is signed in, by token or by cookie; None: nobody. Raises Refusal, IssuerDown."""
        token = bearer(request.headers)
        if token is None:
            return self.sessions.driver(request, self.verifier.issuers)
        try:
            return (await self.verifier.signed(token)).driver
        except NotBelieved as error:
            self.metrics.refused.labels(str(error).partition(":")[0]).inc()
            raise Refusal(401, str(error), "token_refused", WWW_Authenticate="Bearer") from None

    async def driver(self, request: Request) -> str:
        """The driver who is signed in, and who does not ask too often. Raises Refusal, IssuerDown."""
        known: str | None = getattr(request.state, "driver", None)
        if known is not None:
            return known
        driver = await self.who(request)
        if driver is None:
            raise Refusal(401, _NOT_SIGNED_IN, WWW_Authenticate="Bearer")
        if not self.read.known:
            raise Refusal(503, "starting up; please try again", Retry_After="3")
        wait = self.limits.take(driver, self.wall.now())
        if wait is not None:
            self.metrics.limited.labels("driver").inc()
            raise Refusal(429, "too many requests", Retry_After=retry_after(wait))
        request.state.driver = driver
        return driver


async def the_api(request: Request) -> Api:
    """The API that a request came to. Awaits nothing, but would else be called in a thread."""
    api: Api = request.app.state.api
    return api


async def _signed_in(
    request: Request,
    _token: Annotated[object, Depends(HTTPBearer(auto_error=False, description="an ID token"))],
    _cookie: Annotated[object, Depends(APIKeyCookie(name="d2ev", auto_error=False))],
) -> str:
    return await (await the_api(request)).driver(request)


#: Dependencies of routes: who asks, and of what.
Driver = Annotated[str, Depends(_signed_in)]
TheApi = Annotated[Api, Depends(the_api)]
