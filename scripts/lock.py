"""Write the hash-pinned, host-free lock files from pyproject.toml (needs `uv`), or check that they fit it.

usage: scripts/lock.py           writes requirements.lock and requirements-dev.lock
       scripts/lock.py --check   fails when pyproject.toml asks for something that a lock does not hold
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"requirements.lock": [], "requirements-dev.lock": ["dev"]}


def wanted(extras: list[str]) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = list(project["dependencies"])
    for extra in extras:
        rows += project["optional-dependencies"][extra]
    return [re.split(r"[<>=\[ ;]", row)[0].lower().replace("_", "-") for row in rows]


def check() -> int:
    bad = 0
    for name, extras in LOCKS.items():
        text = (ROOT / name).read_text()
        held = {m.group(1).lower() for m in re.finditer(r"^([A-Za-z0-9._-]+)==", text, re.M)}
        missing = [row for row in wanted(extras) if row not in held]
        for row in missing:
            print(f"{name}: {row} is in pyproject.toml but not locked; run scripts/lock.py")
        if re.search(r"https?://", text):
            print(f"{name}: names a host; locks are host-free")
            bad = 1
        bad = bad or bool(missing)
    return int(bad)


def write() -> int:
    for name, extras in LOCKS.items():
        command = ["uv", "pip", "compile", "--universal", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
        command += ["--no-emit-index-url", "--python-version", "3.11", "pyproject.toml", "-o", name]
        for extra in extras:
            command += ["--extra", extra]
        subprocess.run(command, cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(check() if "--check" in sys.argv else write())
