"""From solids in source space to a whole phantom: frame, bones, landmarks, and what a model has to add."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.imports.body import Body, dressed
from anatomy_assets.imports.bones import (
    GAP_MM,
    bake_solid,
    cortex_rows,
    local_frame,
    solid_of_bone,
    surface_points,
)
from anatomy_assets.imports.checks import check_spine
from anatomy_assets.imports.field import Notes, Solid
from anatomy_assets.imports.marks import body_size, carried, like_the_model, owner, sacrum_marks, unit
from anatomy_assets.imports.naming import ORGANS, is_vertebra, rank
from anatomy_assets.imports.registration import Fit, fit
from anatomy_assets.landmarks import BELOW
from anatomy_assets.marks import foramen_marks
from anatomy_assets.patient import build
from sim.errors import DataError
from sim.phantom import Bone, Phantom

F64 = NDArray[np.float64]
Progress = Callable[[str, float], None]
SPACING_MM = 0.8
POOR_FIT_MM = 4.0
"""A structure that the model cannot be laid on (mean distance after the similarity) is not what its name says."""


@dataclass
class Source:
    """What was read: solids in one LPS frame (mm), the body if there is a CT, and what was said on the way."""

    solids: dict[str, Solid]
    body: Body | None = None
    notes: Notes = field(default_factory=Notes)
    kind: str = ""


def assemble(source: Source, name: str, progress: Progress, spacing: float = SPACING_MM, bmi: float | None = None) -> Phantom:
    """Return the phantom of a source. DataError with one line when it cannot be a patient."""
    levels = check_spine(source.solids, source.notes)
    progress("the model to compare with", 0.10)
    model = build(0)
    known = {b.name: b for b in model.bones}
    for extra in [n for n in source.solids if n not in known and n not in ORGANS]:
        source.solids.pop(extra)
        source.notes.say(f"{extra}: left out (outside the field of the phantom)")
    real = [n for n in source.solids if n in known]
    fits = _fits(real, source, known, progress)
    solids = {n: source.solids[n] for n in real}
    _fill(solids, fits, known, levels, source.notes)
    modelled = [n for n in known if n not in real]
    marks = _marks(model.landmarks, solids, fits, modelled, known)
    shift = -marks["S1.endplate.superior"]
    move = np.eye(4)
    move[:3, 3] = shift
    marks = {k: v if k.endswith((".normal", ".axis")) else v + shift for k, v in marks.items()}
    solids = {n: s.moved(move) for n, s in solids.items()}
    organs = {n: source.solids[n].moved(move) for n in ORGANS if n in source.solids}
    progress("foramina", 0.45)
    marks |= {k: v for level in BELOW if f"{level}.body.centre" in marks for k, v in foramen_marks(marks, level).items()}
    bones = _bake(solids, marks, modelled, source.notes, progress, spacing)
    plates = {n: body_size(n, marks, solids[n]) for n in solids if f"{n}.body.centre" in marks}
    body = None if source.body is None else source.body.moved(shift)
    story = {
        "source": source.kind,
        "levels": [n for n in levels if n in known],
        "source_to_patient_mm": [round(float(v), 3) for v in shift],
        "notes": list(source.notes.lines),
        "fit_mm": {n: round(f.residual_mm, 2) for n, f in fits.items()},
    }
    return dressed(name, bones, marks, plates, modelled, body, organs, story, bmi, progress)


def _fits(real: list[str], source: Source, known: Mapping[str, Bone], progress: Progress) -> dict[str, Fit]:
    fits = {}
    for i, name in enumerate(real):
        progress(f"landmarks of {name}", 0.15 + 0.28 * i / len(real))
        bone = known[name]
        own = surface_points(source.solids[name])
        fits[name] = fit(bone.to_patient(bone.shell_vertices), own)
        if fits[name].residual_mm > POOR_FIT_MM:
            raise DataError(
                f"import: {name} does not have the shape of that bone ({fits[name].residual_mm:.1f} mm off after fitting; "
                f"expected at most {POOR_FIT_MM:.0f} mm): wrong label, wrong frame or a broken mask"
            )
    return fits


def _anchor(name: str, fits: Mapping[str, Fit]) -> str:
    """Return the real bone that a missing one is hung on."""
    spine = sorted((n for n in fits if is_vertebra(n) or n == "S"), key=rank)
    if is_vertebra(name) or name == "S":
        return min(spine, key=lambda n: abs(rank(n) - rank(name)))
    if name.startswith("rib"):
        level = f"T{int(''.join(c for c in name if c.isdigit()))}"
        return min(spine, key=lambda n: abs(rank(n) - rank(level)))
    if name.startswith("femur") and name.replace("femur", "ilium") in fits:
        return name.replace("femur", "ilium")  # the hip joint holds it
    twin = name.replace("left", "#").replace("right", "left").replace("#", "right")
    return "S" if "S" in fits else twin if twin in fits else spine[-1]


def _fill(solids: dict[str, Solid], fits: Mapping[str, Fit], known: Mapping[str, Bone], levels: list[str], notes: Notes) -> None:
    """Add the model's bones for those that the source lacks, hung on the nearest real bone (scaled with it)."""
    missing = [n for n in known if n not in solids]
    for name in missing:
        anchor = fits[_anchor(name, fits)]
        solids[name] = solid_of_bone(known[name]).moved(anchor.similarity, anchor.scale)
    if missing:
        notes.say(f"not in the source, filled from the model for the picture: {', '.join(missing)}")


def _marks(
    model: Mapping[str, F64], solids: Mapping[str, Solid], fits: Mapping[str, Fit], modelled: list[str], known: Mapping[str, Bone]
) -> dict[str, F64]:
    """Return all landmarks in source space."""
    by_bone: dict[str, list[str]] = {}
    for mark in model:
        bone = owner(mark, solids)
        if bone is not None:
            by_bone.setdefault(bone, []).append(mark)
    out: dict[str, F64] = {}
    for bone, names in by_bone.items():
        if bone in modelled:
            out |= _rigid(model, names, fits[_anchor(bone, fits)])
            continue
        moved = carried(model, names, fits[bone])
        if f"{bone}.body.centre" in moved and f"{bone}.pedicle.left.centre" in moved:
            moved = like_the_model(bone, moved, solids[bone], model, solid_of_bone(known[bone]), fits[bone].scale)
        elif bone == "S":
            moved = sacrum_marks(moved, solids[bone])
        out |= moved
    return out


def _rigid(model: Mapping[str, F64], names: list[str], anchor: Fit) -> dict[str, F64]:
    """Return landmarks of a modelled bone, carried with the bone it hangs on."""
    turn = anchor.similarity[:3, :3] / anchor.scale
    out = {}
    for n in names:
        p = np.asarray(model[n], np.float64)
        out[n] = turn @ p if n.endswith((".normal", ".axis")) else anchor.similarity[:3, :3] @ p + anchor.similarity[:3, 3]
    return out


def _bake(
    solids: Mapping[str, Solid], marks: Mapping[str, F64], modelled: list[str], notes: Notes, progress: Progress, spacing: float
) -> tuple[Bone, ...]:
    """Return the baked bones in the order of the model, kept apart by GAP_MM where a source lets them touch."""
    boxes = {n: _box(s) for n, s in solids.items()}
    bones = []
    for i, (name, solid) in enumerate(solids.items()):
        progress(f"bone {name}", 0.46 + 0.24 * i / len(solids))
        near = [n for n in solids if n != name and _touch(boxes[n], boxes[name])]
        pairs = [(solids[n], GAP_MM, name in modelled and n not in modelled) for n in near]
        pairs = [p for n, p in zip(near, pairs, strict=True) if not (n in modelled and name not in modelled)]
        frame = _frame(name, marks, solid)
        bone, overlap = bake_solid(solid, *frame, spacing, cortex_rows(name, marks, frame), pairs)
        if overlap > 1.5 and name not in modelled:
            notes.say(f"{name}: reached up to {overlap:.1f} mm into a neighbour; both were pushed back to a {GAP_MM} mm gap")
        bones.append(bone)
    return tuple(bones)


def _frame(name: str, marks: Mapping[str, F64], solid: Solid) -> tuple[F64, F64]:
    """Return (rotation, origin) of a bone's own frame: x anterior, y left, z up for vertebrae and sacrum."""
    left = np.array([1.0, 0.0, 0.0])
    if f"{name}.body.centre" in marks:
        up = unit(marks[f"{name}.endplate.superior"] - marks[f"{name}.endplate.inferior"])
        left = marks[f"{name}.pedicle.left.centre"] - marks[f"{name}.pedicle.right.centre"]
        return local_frame(left, up), marks[f"{name}.body.centre"]
    if name == "S":
        back = marks["S1.wall.posterior"] - marks["S.promontory"]
        return local_frame(left, unit(np.cross(left, back))), marks["S1.endplate.superior"]
    return local_frame(left, np.array([0.0, 0.0, 1.0])), solid.inside_points().mean(0)


def _box(solid: Solid) -> tuple[F64, F64]:
    points = solid.inside_points()
    return points.min(0), points.max(0)


def _touch(a: tuple[F64, F64], b: tuple[F64, F64]) -> bool:
    return bool((a[0] < b[1] + 2.0).all() and (b[0] < a[1] + 2.0).all())
