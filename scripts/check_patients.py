"""Bake many patients with findings and look for what must never be: the invariants over seeds and all pathologies.

    scripts/check_patients.py [--seeds 200] [--start 1] [--spacing 1.2] [--jobs N] [--keep FILE] [--all]

Every seed gets one kind of finding at one grade, in turn over kinds, grades, levels and sides (--all: every kind at
both grades for each seed). Baked on a coarse grid, past the cache. Checked: no bones overlap, no nerve or vessel in
bone or metal, every foramen holds its root (anatomy_assets/measure/checks.py), measured numbers are what was asked
for. --healthy bakes each seed without findings, too: faults that it has anyway show there. Exit code 1: a fault.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from anatomy_assets.measure import checks
from anatomy_assets.measure.asked import against
from anatomy_assets.pathology import GRADES, Pathology, preset, table
from anatomy_assets.patient import build
from anatomy_assets.population import PatientOptions


def finding(seed: int) -> Pathology:
    """Return the finding of a seed: kinds and grades in turn, then places."""
    kinds = list(table())
    kind, grade = kinds[seed % len(kinds)], GRADES[(seed // len(kinds)) % 2]
    row, turn = table()[kind], seed // (2 * len(kinds))
    if turn == 0:
        return preset(kind, grade)
    return Pathology(kind, row["levels"][turn % len(row["levels"])], row["sides"][turn % len(row["sides"])], grade)


def one(seed: int, found: Pathology | None, spacing: float) -> dict[str, object]:
    """Return the faults and the measured-versus-asked rows of one patient; a failed bake is a fault."""
    told = found.told if found is not None else {"kind": "healthy"}
    try:
        made = build(seed, PatientOptions(pathology=(found,) if found else ()), spacing_mm=spacing)
        rows = against(made, found) if found is not None else []
        faults = checks.problems(made)
        faults += [f"{r.name}: asked {r.asked:g}, measured {r.measured:.2f}" for r in rows if not r.holds]
        return {"seed": seed, **told, "faults": faults, "rows": [[r.name, r.asked, r.measured] for r in rows]}
    except Exception:  # a patient that cannot be baked is a finding, not the end of the run
        return {"seed": seed, **told, "faults": [f"bake failed: {traceback.format_exc(limit=-2).strip()}"], "rows": []}


def work(options: argparse.Namespace) -> list[tuple[int, Pathology | None]]:
    """Return what is to be baked."""
    seeds = range(options.start, options.start + options.seeds)
    if options.all:
        jobs: list[tuple[int, Pathology | None]] = [(s, preset(k, g)) for s in seeds for k in table() for g in GRADES]
    else:
        jobs = [(s, finding(s)) for s in seeds]
    return [(s, None) for s in seeds] * options.healthy + jobs


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--spacing", type=float, default=1.2)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="append one JSON object per patient to this file")
    parser.add_argument("--all", action="store_true", help="every kind at both grades for each seed")
    parser.add_argument("--healthy", action="store_true", help="bake each seed without findings, too")
    options = parser.parse_args()
    faulty = count = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(one, seed, found, options.spacing) for seed, found in work(options)]
        for job in as_completed(jobs):
            row = job.result()
            count += 1
            name = " ".join(str(row[k]) for k in ("seed", "kind", "level", "side", "grade") if k in row)
            for fault in row["faults"]:  # type: ignore[attr-defined]
                print(f"{name}: {fault}", flush=True)
            faulty += bool(row["faults"])
            if options.keep is not None:
                with options.keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
            print(f"\r{count}/{len(jobs)} patients", end="", file=sys.stderr, flush=True)
    print(f"\n{count - faulty} of {count} patients without a fault")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
