"""Measure many generated patients and compare them with the published rows; check what must never be wrong.

    scripts/measure_patients.py [--seeds 200] [--spacing 1.2] [--jobs N] [--keep FILE] [--bones] [--write]

Bakes seeds 0..N on a coarse grid (sacrum and coccyx at most 0.9 mm; nothing enters the cache), measures the baked
phantoms (anatomy_assets/measure) and prints the table; faults (overlapping bones, tubes in bone, roots astray) are
listed below it. --keep appends each person to FILE (one JSON object per line) and skips those already there.
--bones leaves nerves, vessels and labels out. --write puts the table into docs/tables/anatomy.csv and
docs/ANATOMY.md. Exit code 1: a fault.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from anatomy_assets.bake import joined, plain_bone
from anatomy_assets.column import Column, stack
from anatomy_assets.measure import checks, measure, pelvis, segments, table
from anatomy_assets.parameters import in_posture, individual
from anatomy_assets.patient import bare, dressed, in_place
from anatomy_assets.population import PatientOptions, person
from sim.phantom import Bone

POSTURES = ("standing", "supine")
FINE_MM = {"S": 0.9, "coccyx": 0.9}
"""Bones whose small parts (root canals, hiatus, slits) a coarse grid would blur."""
LEAST_PEOPLE = 20
BEGIN, END = "<!-- measured: begin (scripts/measure_patients.py --write) -->", "<!-- measured: end -->"


def one(seed: int, spacing: float, bones_only: bool) -> dict[str, object]:
    """Return measures, sex and faults of one seed; a failed bake is a fault."""
    options = PatientOptions()
    who = {"seed": seed, "sex": person(seed, options).sex}
    try:
        column = stack(individual(seed, options=options))
        grids = {b.shape.name: min(spacing, FINE_MM.get(b.shape.name, spacing)) for b in column.bones}
        bones = joined(column, {name: plain_bone(column, i, grid) for i, (name, grid) in enumerate(grids.items())})
        made = bare(column, bones) if bones_only else dressed(seed, options, column, bones, lambda text, share: None)
        found = table.completed(measure(made)) | _postures(column, bones)
        return {**who, "measures": found, "faults": checks.problems(made)}
    except Exception:  # a person that cannot be baked is a finding, not the end of the run
        return {**who, "measures": {}, "faults": [f"bake failed: {traceback.format_exc(limit=-2).strip()}"]}


def _postures(column: Column, bones: tuple[Bone, ...]) -> dict[str, float]:
    """Return curve and pelvis measured on the same bones in other postures, as `<key>@<posture>`."""
    out: dict[str, float] = {}
    for posture in POSTURES:
        other = stack(in_posture(column.parameters, posture))
        laid = bare(other, in_place(other, bones))
        out |= {f"{k}@{posture}": v for k, v in (segments.curve(laid) | pelvis.measures(laid)).items()}
    return out


def gather(options: argparse.Namespace) -> list[dict[str, object]]:
    """Return the people of all seeds, by seed; a line on the error stream shows how far it is."""
    done: dict[int, dict[str, object]] = {}
    if options.keep is not None and options.keep.exists():
        kept = map(json.loads, options.keep.read_text(encoding="utf-8").splitlines())
        done = {int(p["seed"]): p for p in kept if p["measures"]}  # a failed bake is tried again
    todo = [s for s in range(options.seeds + 1) if s not in done]
    with ProcessPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(one, seed, options.spacing, options.bones) for seed in todo]
        for count, job in enumerate(as_completed(jobs), start=1):
            found = job.result()
            done[int(str(found["seed"]))] = found
            if options.keep is not None:
                with options.keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(found) + "\n")
            print(f"\r{count}/{len(todo)} people", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [done[s] for s in sorted(done) if s <= options.seeds]


def write(every: list[table.Result], people: int, spacing: float) -> None:
    """Write the CSV table and the marked part of the model card."""
    place = ROOT / "docs" / "tables"
    place.mkdir(exist_ok=True)
    with (place / "anatomy.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([*table.HEADER, "unit", "source", "note"])
        out.writerows([*table.cells(r), r.row.unit, r.row.source, r.row.note] for r in every)
    card = ROOT / "docs" / "ANATOMY.md"
    text = card.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    told = f"Default adult and {people} seeds, bones on a {spacing:g} mm grid (sacrum, coccyx 0.9 mm). "
    told += "z, off: in published SD.\n\n"
    card.write_text(f"{head}{BEGIN}\n\n{told}{table.markdown(every)}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--spacing", type=float, default=1.2)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--bones", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    people = gather(options)
    others = [(str(p["sex"]), p["measures"]) for p in people if p["seed"] != 0]
    if len(others) < LEAST_PEOPLE:
        print(
            f"{len(others)} people are too few for means and spreads (least {LEAST_PEOPLE}): default adult only", file=sys.stderr
        )
        others = []
    every = table.results(people[0]["measures"], others)  # type: ignore[arg-type]
    print(table.markdown(every))
    faults = [f"seed {p['seed']}: {fault}" for p in people for fault in p["faults"]]  # type: ignore[attr-defined]
    print("\n".join(faults) if faults else f"no faults in {len(people)} people")
    if options.write:
        write(every, len(others), options.spacing)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
