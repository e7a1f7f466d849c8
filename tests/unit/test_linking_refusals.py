"""Whose doing it is that nothing was linked: the driver's, ours, or a maker's that cannot serve us now."""

import httpx
import pytest

from agents.linking.refused import code_of
from oem_connectors.errors import OemError, Unavailable
from tests.consenting import INVITED, Maker, desk


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("access_denied", "not_agreed"),
        ("login_required", "not_agreed"),
        ("consent_required", "not_agreed"),
        ("server_error", "maker_down"),
        ("temporarily_unavailable", "maker_down"),
        ("unauthorized_client", "refused"),
        ("invalid_scope", "refused"),
    ],
)
async def test_the_word_in_the_redirect_tells(word: str, code: str) -> None:
    at = desk()
    carried, query = await at.begun()
    with pytest.raises(OemError) as raised:
        await at.back("volvo", carried, {"error": word, "state": query["state"]})
    assert code_of(raised.value) == code


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [
        (400, "invalid_grant", "not_agreed"),
        (401, "invalid_client", "refused"),
        (400, "unsupported_grant_type", "refused"),
        (400, "temporarily_unavailable", "maker_down"),
        (500, "server_error", "maker_down"),
        (503, "invalid_grant", "maker_down"),
        (429, "slow_down", "maker_down"),
    ],
)
async def test_the_answer_of_the_exchange_tells(status: int, word: str, code: str) -> None:
    maker = Maker()

    def cloud(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"error": word}) if "token" in request.url.path else maker(request)

    at = desk(cloud)
    at.maker = maker
    carried, query = await at.begun()
    with pytest.raises(OemError) as raised:
        await at.back("volvo", carried, query)
    assert code_of(raised.value) == code


@pytest.mark.parametrize("page", ["javascript:alert(1)", "http://login.test/d", "//login.test/d"])
async def test_no_browser_is_sent_to_a_page_that_is_none(page: str) -> None:
    grown = {"device_code": "dc", "user_code": "AB-12", "verification_uri": page}
    at = desk(lambda _request: httpx.Response(200, json=grown))
    with pytest.raises(Unavailable, match="no code came"):
        await at.linker.begin_code("bmw", INVITED)
