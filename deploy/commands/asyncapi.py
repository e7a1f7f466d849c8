"""`d2ev asyncapi`: the contract with platform teams, as one document."""

from __future__ import annotations

import json


def asyncapi() -> None:
    """Print the AsyncAPI 3.1 document of the published topics, as JSON."""
    from streams.asyncapi import document

    print(json.dumps(document(), indent=2, ensure_ascii=False))
