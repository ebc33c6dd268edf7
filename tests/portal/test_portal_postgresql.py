"""The portal's tests once more, on PostgreSQL: a server of its own in a temporary folder (scripts/postgres.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from scripts.postgres import MISSING, programs

HERE = Path(__file__).parent
DONE = "SCOTTIE_TEST_DATABASE" in os.environ


@pytest.mark.slow
@pytest.mark.skipif(programs() is None or find_spec("psycopg") is None, reason=f"{MISSING}, or no psycopg")
@pytest.mark.skipif(DONE, reason="these tests run on PostgreSQL already")
def test_the_same_tests_hold_on_postgresql():
    tests = [
        str(path) for path in sorted(HERE.glob("test_*.py")) if path.name not in ("test_portal_browser.py", Path(__file__).name)
    ]
    command = [
        sys.executable,
        str(HERE.parent.parent / "scripts/postgres.py"),
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run([*command, *tests], cwd=HERE.parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
