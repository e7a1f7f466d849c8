"""What an account tells about itself when it is linked: the region its cars live in."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

REGIONS = frozenset({"na", "eu", "cn"})


def details(back: Mapping[str, str]) -> Mapping[str, str]:
    """The region, from the token's claim `ou_code`, else from the prefix of the code ("EU_..."); none where neither."""
    code = _claims(back.get("access_token", "")).get("ou_code") or back.get("code", "").partition("_")[0]
    region = str(code).lower()
    return {"region": region} if region in REGIONS else {}


def _claims(token: str) -> Mapping[str, Any]:
    """What a JWT says, unverified: it came from Tesla itself, and a wrong region is put right at the first call."""
    _, _, rest = token.partition(".")
    body = rest.partition(".")[0]
    try:
        found = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
