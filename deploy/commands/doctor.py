"""`d2ev doctor`: a self-check with cause and remedy."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def doctor(
    settings: Annotated[bool, typer.Option("--settings", help="Print every setting with its value instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Check this machine and its neighbours; exit code 1 when something fails."""
    if settings:
        _print_settings(as_json=as_json)
        return
    from deploy.doctor import examine

    found = examine()
    if as_json:
        print(json.dumps([finding._asdict() for finding in found], indent=1, ensure_ascii=False))
    else:
        for finding in found:
            remedy = f"; {finding.fix}" if finding.fix else ""
            print(f"{finding.level:5} {finding.check:14} {finding.detail}{remedy}")
    if any(finding.level == "fail" for finding in found):
        raise typer.Exit(1)


def _print_settings(*, as_json: bool) -> None:
    import os

    from deploy.setting_rows import setting_rows

    rows = setting_rows(os.environ)
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=1, ensure_ascii=False))
        return
    for row in rows:
        origin = "set" if row.given else "default"
        print(f"{row.name:30} {row.value or 'none':24} {origin:8} {row.purpose or row.kind}")
