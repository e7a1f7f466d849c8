"""`d2ev docs`: write the generated pages of docs/ again."""

from __future__ import annotations


def docs() -> None:
    """Write asyncapi.json, flow.md, settings.md, tables.md and topics.md in docs/ from the declarations."""
    from deploy.docs import FOLDER, write

    for name in write():
        print(FOLDER / name)
