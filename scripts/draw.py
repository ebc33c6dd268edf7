"""Draw the diagrams of docs/ARCHITECTURE.md from the import contract and the procedure table.

usage: scripts/draw.py [--check]      --check changes nothing and fails when a diagram is out of date
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PAGE = ROOT / "docs" / "ARCHITECTURE.md"


def floors() -> str:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    lines = ["```"]
    for contract in contracts:
        if contract["type"] == "layers":
            lines.append(f"{contract['name']} (an import goes down only)")
            lines += [f"  {row}" for row in contract["layers"]]
            lines.append("")
    for contract in contracts:
        if contract["type"] == "forbidden":
            lines.append(f"{contract['name']}")
    return "\n".join([*lines, "```"])


def phases() -> str:
    from sim.procedure import TRANSITIONS

    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> chart"]
    for origin, trigger, target in TRANSITIONS:
        start = "any" if origin == "*" else origin
        lines.append(f"    {start} --> {target}: {trigger.replace(':', ' ')}")
    return "\n".join([*lines, "    done --> [*]", "```"])


def put(text: str, name: str, drawing: str) -> str:
    start = f"<!-- {name}: drawn by scripts/draw.py -->"
    end = f"<!-- /{name} -->"
    head, rest = text.split(start)
    return f"{head}{start}\n{drawing}\n{end}{rest.split(end)[1]}"


def main() -> int:
    old = PAGE.read_text()
    new = put(put(old, "floors", floors()), "phases", phases())
    if "--check" in sys.argv:
        if new != old:
            print("docs/ARCHITECTURE.md is out of date; run scripts/draw.py")
        return int(new != old)
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
