"""A connector is small: the sizes, printed, and the bounds that they keep."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from oem_connectors.registry import load
from oem_connectors.subject import Subject


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_a_connector_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    sizes: dict[str, int] = {}
    with capsys.disabled():
        print("\nlines of each connector, and of the modules beside it")
        for name, connector in load().items():
            folder = Subject(connector).folder
            sizes[name] = lines(folder / "__init__.py")
            beside = {path.stem: lines(path) for path in sorted(folder.glob("*.py")) if path.stem != "__init__"}
            print(f"{name:12} {sizes[name]:4} {' '.join(f'{stem} {count}' for stem, count in beside.items())}")
        print(f"{'median':12} {median(sizes.values()):4g}")
    assert max(sizes.values()) <= 150
    assert median(sizes.values()) <= 100
