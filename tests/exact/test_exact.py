"""Ten thousand problems of every variant before the judges of deploy/bench: minutes, so it is a suite of its own."""

import sys

import pytest

from deploy.bench.exactness import BOUND, verdict
from deploy.bench.problems import VARIANTS

PROBLEMS = 10_000
#: Not the seeds of the short test.
FIRST = 1_000_000


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_plan_is_cheaper(variant: str) -> None:
    found = verdict(variant, range(FIRST, FIRST + PROBLEMS))
    said = f"{found.problems} problems, worst difference {found.worst:.1e}, {len(found.mismatches)} mismatches"
    sys.stdout.write(f"{variant}: {said}\n")
    assert found.mismatches == []
    assert found.worst <= BOUND
