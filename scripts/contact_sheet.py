"""Contact sheets of patients: AP, both obliques, lateral, sacrum AP and caudal tilt, as the projector draws them.

    scripts/contact_sheet.py [--sheet NAME ...] [--spacing MM] [--size PX] [--out FOLDER]

Sheets: people (the default adult and four individuals) and one per group of findings, both grades each
(morphometry/pathology.toml). Line integrals at 60 keV through everything (fat, muscle, gas, bone, metal); bone dark, no noise.
A sheet is a JPEG of at most MOST_BYTES. --spacing 1.4 shows the same as the full grid at this size and bakes faster.
Each patient is also checked as by scripts/check_patients.py. Exit code 1: a fault.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from anatomy_assets.measure import checks
from anatomy_assets.measure.asked import against
from anatomy_assets.pathology import GRADES, preset, table
from anatomy_assets.patient import build
from anatomy_assets.population import PatientOptions
from sim.frames import gantry
from sim.phantom import Phantom
from sim.projector import Projector
from sim.scene import make_scene
from sim.view import Pose, View

OUT = ROOT / "docs" / "pictures" / "anatomy"
MOST_BYTES = 280 * 1024
SOD_MM, SDD_MM, SIDE_MM = 620.0, 1000.0, 230.0
VIEWS = {
    "AP": (0, 0, ""),
    "right 25": (-25_000, 0, ""),
    "left 25": (25_000, 0, ""),
    "lateral": (90_000, 0, ""),
    "sacrum AP": (0, 0, "S"),
    "caudal 25": (0, -25_000, "S"),
}
PEOPLE = (0, 1, 2, 3, 6)
GROUPS = {
    "fractures": ("compression_fracture", "osteoporosis", "fusion"),
    "curves": ("scoliosis", "listhesis", "disc_height_loss"),
    "stenosis": ("facet_hypertrophy", "foraminal_stenosis", "central_stenosis"),
    "pelvis": ("transitional", "high_crest", "obesity"),
}


def tile(projector: Projector, phantom: Phantom, view: str, level: str, size: int) -> Image.Image:
    """Return one picture, bone dark; the window follows the picture."""
    primary, secondary, place = VIEWS[view]
    mark = "S2.canal.centre" if place == "S" else f"{level}.canal.centre"
    centre = phantom.landmark(mark) + np.array([0.0, -12.0, 0.0])
    axes = gantry(primary, secondary)
    pose = Pose(centre - SOD_MM * axes.normal, centre + (SDD_MM - SOD_MM) * axes.normal, axes.right, axes.up, SIDE_MM)
    empty = np.zeros((0, 3))
    now = View(pose, 1.0, 1.0, 80.0, 1.0, empty, 0.0, 0.0, np.zeros((0, 4), np.float32), (0, 0))
    line = projector.line_integrals_60kev(now, 2 * size).astype(np.float64)
    line = line.reshape(size, 2, size, 2).mean((1, 3))
    slow = _slow(line)
    line = line - 0.65 * slow
    part = line[size // 8 : -size // 8, size // 8 : -size // 8]
    metal = any(b.material != "bone" for b in phantom.bones)  # metal may be as black as it likes
    low, high = np.percentile(part, (2.0, 80.0 if metal else 98.5))
    grey = 245.0 - 225.0 * np.clip((line - low) / max((1.6 if metal else 1.0) * (high - low), 1e-3), 0.0, 1.0)
    return Image.fromarray(grey.astype(np.uint8))


def _slow(line: np.ndarray) -> np.ndarray:
    """Return the slow part of a picture (what the display of a C-arm takes down)."""
    small = Image.fromarray(line.astype(np.float32)).resize((6, 6), Image.Resampling.BOX)
    return np.asarray(small.resize(line.shape[::-1], Image.Resampling.BICUBIC), np.float64)


def row(phantom: Phantom, text: str, level: str, size: int) -> Image.Image:
    """Return the views of one patient side by side, with a line of text."""
    projector = Projector(make_scene(phantom))
    out = Image.new("L", (size * len(VIEWS), size), 0)
    for i, view in enumerate(VIEWS):
        out.paste(tile(projector, phantom, view, level, size), (i * size, 0))
    pen, font = ImageDraw.Draw(out), ImageFont.load_default(size=12)
    pen.text((4, 3), text, fill=0, font=font, stroke_width=2, stroke_fill=255)
    for i, view in enumerate(VIEWS):
        pen.text((i * size + 4, size - 16), view, fill=0, font=font, stroke_width=2, stroke_fill=255)
    return out


def patients(sheet: str) -> list[tuple[str, int, PatientOptions, str]]:
    """Return (text, seed, options, level to centre on) of the rows of a sheet."""
    if sheet == "people":
        return [("default adult" if s == 0 else f"seed {s}", s, PatientOptions(), "L4") for s in PEOPLE]
    out = []
    for kind in GROUPS[sheet]:
        for grade in GRADES:
            one = preset(kind, grade)
            told = ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in one.told.items() if k in SHOWN)
            text = f"{kind} {one.level} {one.side} {grade}: {told}"
            out.append((text, 0, PatientOptions(pathology=(one,)), one.level if one.level in LEVELS else "L4"))
    return out


LEVELS = ("T12", "L1", "L2", "L3", "L4")
SHOWN = {knob for row in table().values() for knob in row["knobs"]} - {
    "numbering",
    "rotation_per_cobb",
    "division_up",
    "lysis_mm",
}


def jpeg(picture: Image.Image) -> bytes:
    """Return a picture as JPEG, as good as MOST_BYTES allow."""
    for quality in (85, 82, 76, 70, 62, 54, 46):
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality, optimize=True)
        if out.tell() <= MOST_BYTES:
            break
    return out.getvalue()


def faults(made: Phantom, options: PatientOptions) -> list[str]:
    """Return what is wrong with a patient of a sheet."""
    asked = [row for one in options.pathology for row in against(made, one)]
    missed = [f"{r.name}: asked {r.asked:g}, measured {r.measured:.2f}" for r in asked if not r.holds]
    return checks.problems(made) + missed


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheet", action="append", choices=["people", *GROUPS])
    parser.add_argument("--spacing", type=float, help="bake on this coarse grid (mm), past the cache")
    parser.add_argument("--size", type=int, default=240)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for sheet in options.sheet or ["people", *GROUPS]:
        rows = []
        for text, seed, asked, level in patients(sheet):
            start = time.perf_counter()
            made = build(seed, asked, spacing_mm=options.spacing)
            rows.append(row(made, text, level, options.size))
            found = faults(made, asked)
            wrong += bool(found)
            print(f"{sheet}: {text} ({time.perf_counter() - start:.0f} s) {'; '.join(found) or 'no fault'}", flush=True)
        whole = Image.new("L", (rows[0].width, sum(r.height for r in rows)))
        for i, r in enumerate(rows):
            whole.paste(r, (0, i * options.size))
        (options.out / f"{sheet}.jpg").write_bytes(jpeg(whole))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
