"""`make packaging`: the tools of Docker and Kubernetes judge what we ship; `--write` keeps the new renderings."""

from __future__ import annotations

import argparse
import difflib
import json
import sys

from tests.packaging import judges
from tests.packaging.golden import CASES, CHART, JUDGED, bare_chart, digest, rendering, values


def renderings(*, write: bool) -> None:
    """Lint, render and judge the chart, bare and as it is; a rendering that is not the kept one is refused."""
    with bare_chart() as bare:
        for case in CASES:
            text = judges.render(bare, values(case))
            if write:
                rendering(case).write_text(text)
            _same(rendering(case).read_text(), text, case)
    for case in CASES:
        judges.lint(CHART, values(case))
        text = judges.render(CHART, values(case))
        for version in judges.KUBERNETES:
            judges.conforms(text, version)
    judges.said([judges.tool("helm"), "lint", "--strict", "--quiet", CHART, "--set", "feeds.file=x"])


def _same(kept: str, now: str, case: str) -> None:
    changes = list(difflib.unified_diff(kept.splitlines(), now.splitlines(), "kept", "now", lineterm=""))
    if changes:
        raise judges.Refused("\n".join([f"{case}: the chart renders otherwise; `--write` keeps it", *changes]))


def main() -> int:
    """0 when nobody found anything."""
    parser = argparse.ArgumentParser(prog="make packaging", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the renderings and what was judged")
    given = parser.parse_args()
    try:
        judges.dockerfile()
        judges.compose()
        renderings(write=given.write)
    except judges.Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    now = digest()
    if given.write:
        JUDGED.write_text(json.dumps(now, indent=1) + "\n")
    if json.loads(JUDGED.read_text()) != now:
        print(f"{JUDGED.name} names other files; `--write` keeps these", file=sys.stderr)
        return 1
    print("dockerfile-utils, compose-go, helm lint and kubeconform: 0 findings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
