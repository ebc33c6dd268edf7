"""Make docs/pictures/imaging-*.png: what dose, grid, habitus and subtraction do to one and the same view.

usage: scripts/make_imaging_pictures.py [--size PX] [--only one|habitus]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scenarios.beam_tables import load_beam
from scenarios.pictures import still_view
from scenarios.registry import find_scenario
from scenarios.study import make_study
from sim.picture import Imager
from sim.scene import make_scene
from sim.state import Study

OUT = ROOT / "docs" / "pictures"
SCENARIO = ROOT / "scenarios" / "tfesi" / "l4l5-right.toml"
HEIGHT_M = 1.65  # of the scenario's patient
VEIN_MG_PER_MM = 0.25


def sheet(name: str, pictures: list[tuple[str, np.ndarray]]) -> None:
    """Save pictures side by side with a caption each."""
    size = len(pictures[0][1])
    out = Image.new("L", (size * len(pictures), size + 26), 20)
    pen, font = ImageDraw.Draw(out), ImageFont.load_default(size=15)
    for i, (text, pixels) in enumerate(pictures):
        out.paste(Image.fromarray(pixels), (i * size, 26))
        pen.text((i * size + 6, 4), text, fill=230, font=font)
    out.save(OUT / f"imaging-{name}.png", optimize=True)
    print(OUT / f"imaging-{name}.png")


def of_bmi(bmi: float) -> Study:
    """Return the study of the same scenario with another body mass index."""
    weight = f"weight_kg = {bmi * HEIGHT_M**2:.1f}"
    lines = [weight if line.startswith("weight_kg") else line for line in SCENARIO.read_text().splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        for beside in ("rubric.toml", "brief.md"):
            (Path(folder) / beside).write_bytes((SCENARIO.parent / beside).read_bytes())
        path = Path(folder) / SCENARIO.name
        path.write_text("\n".join(lines))
        return make_study(find_scenario(str(path)), 1)


def vein(at: np.ndarray) -> np.ndarray:
    """Return contrast in an ascending lumbar vein beside the foramen: (n, 4) x, y, z, mg of iodine."""
    t = np.arange(0.0, 70.0, 0.5)
    run = np.stack([at[0] + 5 * np.sin(t / 11), at[1] - 0.12 * t, at[2] - 8 + t, 0 * t + 0.5 * VEIN_MG_PER_MM], 1)
    return run.astype(np.float32)


def of_one_patient(size: int) -> None:
    """Dose, grid and subtraction, in the scenario's own patient."""
    study, beam = make_study(find_scenario("tfesi-l4l5-right"), 1), load_beam()
    imager = Imager(make_scene(study.phantom), beam)
    shot = still_view(study, 0, 0)[1]
    pulse = replace(shot, mas=shot.mas / study.toolbox.carm.shot_pulses)
    doses = ((0.2, "a fifth of a pulse (6 nGy)"), (1.0, "one pulse (30 nGy)"), (8.0, "single shot: eight pulses"))
    sheet("dose", [(text, imager.picture(replace(pulse, mas=pulse.mas * f), size)) for f, text in doses])
    bare = Imager(imager.projector.scene, replace(beam, detector=replace(beam.detector, grid=False)))
    tight = replace(shot, half_width=0.45, half_height=0.5)
    grids = (("grid 10:1", imager, shot), ("without grid", bare, shot), ("without grid, collimated", bare, tight))
    sheet("grid", [(text, which.picture(view, size)) for text, which, view in grids])
    points = vein(study.plan.target_mm)
    run = replace(pulse, mas=pulse.mas * 16)
    imager.forget()
    frames = [imager.subtracted(replace(run, noise_key=(9, k)), size) for k in range(2)]
    for k in range(4):
        part = points[35 * k : 35 * (k + 1)]
        frames.append(imager.subtracted(replace(run, noise_key=(9, 10 + k), contrast_points=part), size))
    live = imager.picture(replace(pulse, noise_key=(9, 30), contrast_points=points), size)
    shown = (
        ("one live pulse with the vein filled", live),
        ("subtracted, one frame", frames[4]),
        ("peak of the run", imager.peak(run)),
    )
    sheet("subtraction", list(shown))


def of_three(size: int) -> None:
    """Lateral pictures of a thin, an average and an obese patient."""
    beam, made = load_beam(), []
    for bmi in (19.0, 26.0, 38.0):
        other = of_bmi(bmi)
        view = still_view(other, -90_000, 0)[1]
        picture = Imager(make_scene(other.phantom), beam).picture(view, size)
        made.append((f"BMI {bmi:.0f}: {view.kvp:.0f} kVp {view.mas:.2f} mAs", picture))
    sheet("habitus", made)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--size", type=int, default=480)
    asked.add_argument("--only", choices=("one", "habitus"))
    args = asked.parse_args()
    if args.only != "habitus":
        of_one_patient(args.size)
    if args.only != "one":
        of_three(args.size)


if __name__ == "__main__":
    main()
