"""AsyncAPI's own parser reads the committed document without a remark; a lock pins the project that asks it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "tests" / "asyncapi"
DOCUMENT = (ROOT / "docs" / "asyncapi.json").read_text(encoding="utf-8")
INSTALLED = PROJECT / "node_modules" / ".package-lock.json"


@pytest.fixture(scope="module")
def node() -> str:
    """Node with the parser beside it: exactly what the lock names, installed once."""
    found = shutil.which("node")
    if not found or not shutil.which("npm"):
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs node and npm")
        pytest.skip("no node and npm (Debian: apt-get install nodejs npm): AsyncAPI's parser was not asked")
    lock = PROJECT / "package-lock.json"
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=PROJECT, check=True, timeout=300)
    return found


def broken() -> str:
    """The document with a message lost and a number that is none."""
    document = json.loads(DOCUMENT)
    del document["components"]["messages"]["d2ev.held.state.v1"]
    document["channels"]["d2ev.plug.event.v1"]["bindings"]["kafka"]["partitions"] = "many"
    return json.dumps(document)


def test_the_document_is_read_without_a_remark_and_a_broken_one_is_not(node: str) -> None:
    ran = subprocess.run(
        [node, str(PROJECT / "judge.mjs")],
        input=json.dumps([DOCUMENT, broken()]),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    good, bad = json.loads(ran.stdout)
    assert good == {"parsed": True, "diagnostics": []}
    said = json.dumps(bad["diagnostics"])
    assert "d2ev.held.state.v1" in said
    assert "partitions" in said
