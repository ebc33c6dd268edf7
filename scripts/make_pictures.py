"""Make the pictures of docs/pictures: AP, 25 degree oblique, lateral, each plain and with labels.

usage: scripts/make_pictures.py [--seed N] [--size PX]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scenarios.beam_tables import load_beam
from scenarios.pictures import still_view
from scenarios.registry import find_scenario
from scenarios.study import make_study
from sim.picture import render
from sim.scene import make_scene

OUT = ROOT / "docs" / "pictures"
VIEWS = {"ap": 0, "oblique-25-right": -25_000, "lateral": -90_000}

# what to point at: text, landmark, where the text stands (share of the picture's width and height)
LABELS = {
    "ap": [
        ("pedicle eye L3 left", "L3.pedicle.left.centre", (0.02, 0.20)),
        ("pedicle eye L3 right", "L3.pedicle.right.centre", (0.72, 0.20)),
        ("spinous process L3", "L3.spinous.tip", (0.02, 0.32)),
        ("superior endplate L4", "L4.endplate.superior", (0.72, 0.33)),
        ("inferior endplate L4", "L4.endplate.inferior", (0.72, 0.44)),
        ("transverse process L4", "L4.transverse.left.tip", (0.02, 0.44)),
        ("sacrum, S1 foramen", "S1.foramen.dorsal.left", (0.02, 0.80)),
    ],
    "oblique-25-right": [
        ("eye: pedicle L3", "L3.pedicle.right.centre", (0.76, 0.30)),
        ("ear: superior articular process", "L3.sap.right.tip", (0.02, 0.20)),
        ("nose: transverse process", "L3.transverse.right.tip", (0.67, 0.38)),
        ("neck: pars", "L3.pars.right", (0.76, 0.46)),
        ("front leg: inferior articular process", "L3.iap.right.tip", (0.02, 0.42)),
        ("L4-5 foramen, target", "target.subpedicular.L4.right", (0.76, 0.56)),
        ("endplate L4", "L4.endplate.inferior", (0.02, 0.55)),
    ],
    "lateral": [
        ("L3-4 foramen", "L3.foramen.right.centre", (0.02, 0.30)),
        ("L4-5 foramen", "L4.foramen.right.centre", (0.02, 0.42)),
        ("pedicle L4", "L4.pedicle.right.centre", (0.02, 0.36)),
        ("spinous process L3", "L3.spinous.tip", (0.02, 0.22)),
        ("superior endplate L4", "L4.endplate.superior", (0.72, 0.30)),
        ("inferior endplate L4", "L4.endplate.inferior", (0.72, 0.42)),
        ("promontory", "S.promontory", (0.72, 0.66)),
    ],
}


def project(pose, point, size: int) -> tuple[float, float]:
    """Return the pixel (column, row) of a patient-frame point."""
    ray = np.asarray(point) - pose.source_mm
    axis = pose.detector_mm - pose.source_mm
    hit = pose.source_mm + ray * (axis @ axis) / (ray @ axis) - pose.detector_mm
    return size * (0.5 + hit @ pose.right / pose.side_mm), size * (0.5 - hit @ pose.up / pose.side_mm)


def label(picture: Image.Image, view, phantom, rows) -> Image.Image:
    size = picture.width
    out = picture.convert("RGB")
    pen = ImageDraw.Draw(out)
    font = ImageFont.load_default(size=size / 42)
    for text, name, (x, y) in rows:
        if name not in phantom.landmarks:
            print(f"  no landmark {name}: '{text}' left out")
            continue
        at = project(view.pose, phantom.landmark(name), size)
        place = (x * size, y * size)
        box = pen.textbbox(place, text, font=font)
        start = (box[2] + 4, 0.5 * (box[1] + box[3])) if at[0] > box[2] else (box[0] - 4, 0.5 * (box[1] + box[3]))
        pen.line([start, at], fill=(255, 176, 0), width=max(1, size // 500))
        pen.ellipse([at[0] - 4, at[1] - 4, at[0] + 4, at[1] + 4], outline=(255, 176, 0), width=2)
        pen.rectangle([box[0] - 4, box[1] - 3, box[2] + 4, box[3] + 3], fill=(20, 20, 20))
        pen.text(place, text, fill=(255, 200, 80), font=font)
    return out


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--size", type=int, default=900)
    a = asked.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    study = make_study(find_scenario("tfesi-l4l5-right"), a.seed)
    scene, beam = make_scene(study.phantom), load_beam()
    for name, primary in VIEWS.items():
        view = still_view(study, primary, 0)[1]
        picture = Image.fromarray(render(scene, beam, view, a.size))
        picture.save(OUT / f"{name}.png", optimize=True)
        label(picture, view, study.phantom, LABELS[name]).save(OUT / f"{name}-labelled.png", optimize=True)
        print(OUT / f"{name}-labelled.png")


if __name__ == "__main__":
    main()
