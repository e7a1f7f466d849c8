"""`d2ev docs`: write the generated pages of docs/ again."""

from __future__ import annotations


def docs() -> None:
    """Write what is generated of docs/, the dashboards and the chart from the declarations."""
    from deploy.docs import FOLDER, write

    for name in write():
        print(FOLDER / name)
