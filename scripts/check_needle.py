#!/usr/bin/env python3
"""Random advances of needles: bone, thin walls and small arteries, finite numbers (docs/PHYSICS.md, contact).

Usage: scripts/check_needle.py [--advances 10000] [--first 0]. Prints progress; 10 000 advances take the better part of an hour.
Exit code 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.needle_walks import Tally, crowded_study, walk

LIMIT_MM = 0.1


def main() -> int:
    """Walk until enough advances were made."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--advances", type=int, default=10_000)
    ask.add_argument("--first", type=int, default=0, help="seed of the first walk")
    given = ask.parse_args()
    study, tally, seed = crowded_study(), Tally(), given.first
    while tally.advances < given.advances:
        walk(study, seed, tally)
        seed += 1
        if seed % 50 == 0:
            print(_line(tally), flush=True)
    print(_line(tally))
    for fault in tally.faults[:50]:
        print("  " + fault)
    return 1 if tally.faults or tally.deepest_mm < -LIMIT_MM else 0


def _line(tally: Tally) -> str:
    return (
        f"{tally.advances} advances, {tally.ticks} ticks, {tally.crossings} crossings, "
        f"deepest axis in bone {-tally.deepest_mm:.3f} mm, {len(tally.faults)} faults"
    )


if __name__ == "__main__":
    sys.exit(main())
