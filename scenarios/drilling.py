"""What a drill asks of one patient, or of a block of gel: questions drawn by the seed, so that each repeat differs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenarios.gel import BEAD_MM
from scenarios.schema import DrillTable
from sim.carm import START_CENTRE_UM
from sim.exposure import dose, technique
from sim.frames import gantry
from sim.plan import Drill, DrillItem
from sim.rng import stream
from sim.state import CArmState, Study

F64 = NDArray[np.float64]
Draw = np.random.Generator

PICTURES = ("carm.to", "carm.centre", "carm.collimate", "carm.iris", "carm.magnify", "carm.boost", "carm.pulse_rate", "xray.shot",
            "xray.pedal", "image.store")  # fmt: skip
NEEDLE = ("needle.choose", "needle.place", "needle.tilt", "needle.move", "needle.turn", "needle.stylet", "needle.remove")
ALLOWED = {
    "square": (*PICTURES, "drill.answer"),
    "tunnel": (*PICTURES, "drill.answer"),
    "centre": (*PICTURES, "drill.answer"),
    "point": ("xray.shot", "carm.magnify", "image.store", "drill.point"),
    "needle": (*PICTURES, *NEEDLE, "drill.answer"),
    "choose": ("drill.choose",),
}
"""Kind of a drill -> the commands that belong to it."""

PLATES = tuple((level, plate) for level in ("L2", "L3", "L4", "L5") for plate in ("superior", "inferior"))
TUNNELS = {"subpedicular": "the tunnel view to the foramen below the {side} {level} pedicle",
           "medial_branch": "the tunnel view to the medial branch {level} {side}"}  # fmt: skip
POINTS = {
    "pedicle.{side}.centre": "the middle of the {side} {level} pedicle",
    "target.subpedicular.{level}.{side}": "the target below the {side} {level} pedicle (subpedicular)",
    "target.medial_branch.{level}.{side}": "the target of the {level} medial branch, {side}",
}
COUNTED = ("L1", "L2", "L3", "L4", "L5")


def make_drill(study: Study, table: DrillTable) -> Drill:
    """Return the questions of a drill for a study. KeyError: the patient has too few places to ask for."""
    draw = stream(study.seed, f"drill/{table.kind}")
    make = {"square": _square, "tunnel": _tunnel, "centre": _centre, "point": _point, "needle": _needle, "choose": _choose}
    items = make[table.kind](study, draw, table.questions)
    return Drill(tuple(items), frozenset(ALLOWED[table.kind]), _start(table, draw))


def _start(table: DrillTable, draw: Draw) -> tuple[int, int, int, int, int]:
    """Return where the C-arm stands at first: as the file says, off by up to 4 degrees where it may be moved."""
    off = [0, 0] if table.kind in ("needle", "choose") else [int(draw.integers(-4_000, 4_001)) for _ in range(2)]
    x, y, z = START_CENTRE_UM if table.kind != "needle" else (0, 0, 0)
    return table.primary_mdeg + off[0], table.secondary_mdeg + off[1], x, y, z


def _some(draw: Draw, of: Sequence[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    """Return `count` different ones in an order of chance."""
    left = list(of)
    if len(left) < count:
        raise KeyError(f"the drill asks for {count} places; this patient has {len(left)}")
    return [left.pop(int(draw.integers(0, len(left)))) for _ in range(count)]


def _square(study: Study, draw: Draw, count: int) -> list[DrillItem]:
    marks = study.phantom.landmarks
    have = [(level, plate) for level, plate in PLATES if f"{level}.endplate.{plate}.normal" in marks]
    return [
        DrillItem(
            "square",
            f"Square the {plate} endplate of {level}: bring it to the middle, show it as one line, answer with the picture.",
            marks[f"{level}.endplate.{plate}"],
            marks[f"{level}.endplate.{plate}.normal"],
            name=f"{level} {plate} endplate",
        )
        for level, plate in _some(draw, have, count)
    ]


def _tunnel(study: Study, draw: Draw, count: int) -> list[DrillItem]:
    phantom = study.phantom
    ways = sorted(name.removeprefix("target.") for name in phantom.landmarks if name.startswith("target."))
    have = [(way, "") for way in ways if way.split(".")[0] in TUNNELS and f"corridor.{way}.primary_mdeg" in phantom.measures]
    items = []
    for way, _ in _some(draw, have, count):
        approach, level, side = way.split(".")
        turn, tilt = (round(phantom.measures[f"corridor.{way}.{axis}_mdeg"]) for axis in ("primary", "secondary"))
        what = TUNNELS[approach].format(level=level, side=side)
        prompt = f"Set up {what}: its target in the middle, answer with the picture."
        items.append(DrillItem("tunnel", prompt, phantom.landmark(f"target.{way}"), gantry(turn, tilt).normal, name=what))
    return items


def _centre(study: Study, draw: Draw, count: int) -> list[DrillItem]:
    have = [(level, "") for level in COUNTED if f"{level}.body.centre" in study.phantom.landmarks]
    return [
        DrillItem(
            "centre",
            f"Count, and bring the body of {level} to the middle of an AP picture.",
            study.phantom.landmark(f"{level}.body.centre"),
            name=level,
        )
        for level, _ in _some(draw, have, count)
    ]


def _point(study: Study, draw: Draw, count: int) -> list[DrillItem]:
    """Places within the field of the static picture only, whose middle is the start of the C-arm."""
    marks, middle = study.phantom.landmarks, START_CENTRE_UM[2] / 1000.0
    have = []
    for level in ("L2", "L3", "L4", "L5"):
        for side in ("left", "right"):
            for key, words in POINTS.items():
                name = key.format(level=level, side=side) if key.startswith("target") else f"{level}.{key.format(side=side)}"
                if name in marks and abs(float(marks[name][2]) - middle) < SEEN_MM:
                    have.append((name, words.format(level=level, side=side)))
    return [
        DrillItem("point", f"Point at {words}.", np.asarray(marks[name], np.float64), name=words)
        for name, words in _some(draw, have, count)
    ]


SEEN_MM = 55.0
"""Half the height at the spine that a full field shows, less a margin (docs/IMAGING.md: 220 mm receptor and more)."""


_PLACES = [f"row towards the {row}, {place} from the left" for row in ("head", "feet") for place in ("1st", "2nd", "3rd", "4th")]
BEAD_WORDS = {f"bead {number}": words for number, words in enumerate(_PLACES, 1)}
"""Where each bead lies in an AP picture."""


def _needle(study: Study, draw: Draw, count: int) -> list[DrillItem]:
    beads = sorted((bone.name, bone) for bone in study.phantom.bones)
    picked = [beads[i][1] for i in _order(draw, len(beads))[:count]]
    return [
        DrillItem(
            "needle",
            f"Bring the tip to {bead.name} ({BEAD_WORDS[bead.name]}), then answer.",
            np.asarray(bead.translation_mm, np.float64),
            within_mm=BEAD_MM,
            name=bead.name,
        )
        for bead in picked
    ]


def _order(draw: Draw, count: int) -> list[int]:
    left = list(range(count))
    return [left.pop(int(draw.integers(0, len(left)))) for _ in range(count)]


Change = tuple[str, dict[str, int]]
SETTINGS: tuple[Change, ...] = (
    ("full field, AP", {}),
    ("collimated to half the width and height, AP", {"half_width_permille": 500, "half_height_permille": 500}),
    ("collimated to three quarters of the width, AP", {"half_width_permille": 750}),
    ("magnified one step, AP", {"magnification": 1}),
    ("magnified two steps, AP", {"magnification": 2}),
    ("boost, full field, AP", {"boost": 1}),
    ("full field, 30 degrees oblique", {"primary_mdeg": 30_000}),
    ("full field, lateral", {"primary_mdeg": 90_000}),
    ("collimated to half, lateral", {"primary_mdeg": 90_000, "half_width_permille": 500, "half_height_permille": 500}),
)
RATES = (40, 80, 150)
"""Pulses in 10 s on offer."""


def _choose(study: Study, draw: Draw, count: int) -> list[DrillItem]:
    """Two settings each, at least a sixth apart in dose-area product a second, by the exposure control of this very patient."""
    known = [(f"{words}, {rate / 10:g} pulses/s", _dap_s(study, change, rate)) for words, change in SETTINGS for rate in RATES]
    items: list[DrillItem] = []
    while len(items) < count:
        one, two = (known[int(draw.integers(0, len(known)))] for _ in range(2))
        less, more = sorted((one[1], two[1]))
        if 6 * (more - less) < more:
            continue
        right = int(two[1] < one[1])
        prompt = f"Which gives this patient less dose-area product a second? A: {one[0]}. B: {two[0]}."
        items.append(DrillItem("choose", prompt, name="dose", choices=(one[0], two[0]), right=right))
    return items


def _dap_s(study: Study, change: dict[str, int], rate: int) -> int:
    """Return the dose-area product (pGy m2) of one second of live X-rays with a setting."""
    machine = CArmState(
        centre_um=START_CENTRE_UM,
        beam="live",
        pulses_per_10s=rate,
        primary_mdeg=change.get("primary_mdeg", 0),
        half_width_permille=change.get("half_width_permille", 1000),
        half_height_permille=change.get("half_height_permille", 1000),
        magnification=change.get("magnification", 0),
        boost=change.get("boost", 0) == 1,
    )
    return dose(study.toolbox.carm, machine, *technique(study, machine))[0] * rate // 10
