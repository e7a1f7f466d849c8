"""Rules for every suite: the same Hypothesis effort everywhere, and no environment leaking into a test."""

import os

import pytest
from hypothesis import settings

# Deadlines measure the machine, not the code; the suite has its own time limit.
settings.register_profile("d2ev", deadline=None, print_blob=True)
settings.load_profile("d2ev")


@pytest.fixture(autouse=True)
def _no_d2ev_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own D2EV_ settings must not change what a test sees."""
    for name in [name for name in os.environ if name.startswith("D2EV_")]:
        monkeypatch.delenv(name)
