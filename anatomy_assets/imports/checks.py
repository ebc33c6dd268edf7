"""Is this a spine, the right way round, in millimetres? Every doubt ends in one line; nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.imports.field import Notes, Solid
from anatomy_assets.imports.naming import is_vertebra, rank
from anatomy_assets.tables import number
from sim.errors import DataError

F64 = NDArray[np.float64]


def check_spine(solids: Mapping[str, Solid], notes: Notes) -> list[str]:
    """Return the vertebrae present from the head downwards; DataError with one line when they cannot be one spine."""
    levels = sorted((n for n in solids if is_vertebra(n)), key=rank)
    if "L6" in levels:
        raise DataError("import: structure L6 found; expected five lumbar vertebrae (a sixth is not supported)")
    lumbar = [n for n in levels if n.startswith("L")]
    if len(lumbar) < 2:
        found = ", ".join([*levels, *(["sacrum"] if "S" in solids else [])]) or "none"
        raise DataError(f"import: vertebrae found: {found}; expected at least two neighbouring lumbar vertebrae")
    for upper, lower in pairwise(levels):
        if rank(lower) - rank(upper) != 1 and not (upper == "T12" and lower == "L1"):
            between = f"between {upper} and {lower}"
            raise DataError(f"import: a vertebra is missing {between}; expected a row without gaps (leave out what lies beyond)")
    if "S" in solids and levels[-1] != "L5":
        raise DataError(f"import: the lowest vertebra is {levels[-1]} but there is a sacrum; expected L5 between them")
    centres = {n: solids[n].thickest() for n in levels}
    _check_size({n: solids[n] for n in levels})
    _check_order(levels, centres, solids)
    for name in levels:
        _check_spinous(name, solids[name], centres[name])
    _check_sides(solids, centres)
    if "liver" not in solids:
        notes.say("left and right were taken from the source's frame (no liver label to check them against)")
    return levels


def _check_size(solids: Mapping[str, Solid]) -> None:
    """Refuse metres, centimetres and micrometres by the transverse span of the lumbar vertebrae."""
    low, high = number("imports", "check.lumbar_width_low_mm"), number("imports", "check.lumbar_width_high_mm")
    for name, solid in solids.items():
        if not name.startswith("L"):
            continue
        span = solid.inside_points()[:, 0]
        width = float(span.max() - span.min())
        check_width(name, width, low, high)


def check_width(name: str, width: float, low: float | None = None, high: float | None = None) -> None:
    """Refuse a lumbar vertebra of an impossible span; a wrong unit is named with its fix."""
    low = number("imports", "check.lumbar_width_low_mm") if low is None else low
    high = number("imports", "check.lumbar_width_high_mm") if high is None else high
    if low <= width <= high:
        return
    for unit, factor in (("m", 1000.0), ("cm", 10.0)):
        if low <= width * factor <= high:
            raise DataError(f"import: {name} is {width:.3g} mm wide; it looks like {unit}: say --unit {unit}")
    raise DataError(
        f"import: {name} is {width:.4g} mm wide; expected {low:.0f} to {high:.0f} mm for a lumbar vertebra (see --unit)"
    )


def _check_order(levels: list[str], centres: Mapping[str, F64], solids: Mapping[str, Solid]) -> None:
    """Refuse a spine that stands on its head, merged and doubled vertebrae."""
    near, far = number("imports", "check.step_low_mm"), number("imports", "check.step_high_mm")
    for upper, lower in pairwise(levels):
        d = centres[upper] - centres[lower]
        if d[2] <= 0.0:
            hint = "the frame is upside down or the levels are named wrongly (see --frame, --naming)"
            raise DataError(f"import: {upper} lies below {lower}; expected it above: {hint}")
        gap = float(np.sqrt((d * d).sum()))
        least = near if upper.startswith("L") else 0.7 * near
        if gap < least:
            raise DataError(
                f"import: {upper} and {lower} are {gap:.0f} mm apart; expected at least {least:.0f} mm: one vertebra twice?"
            )
        if gap > far:
            raise DataError(
                f"import: {upper} and {lower} are {gap:.0f} mm apart; expected at most {far:.0f} mm: one is missing or merged"
            )
    for name in levels:
        volume = solids[name].volume_mm3
        others = sorted(solids[n].volume_mm3 for n in levels if n != name and n[0] == name[0])
        if others and not 0.4 < volume / others[len(others) // 2] < 1.75:
            middle = others[len(others) // 2]
            raise DataError(
                f"import: {name} holds {volume / 1e3:.0f} cm3, its neighbours {middle / 1e3:.0f} cm3; "
                "expected similar sizes: it is merged with another bone or cut off"
            )
    if "S" in solids:
        top = solids["S"].inside_points()
        if top[:, 2].mean() > centres[levels[-1]][2]:
            raise DataError("import: the sacrum lies above L5; expected it below (see --frame, --naming)")


def _check_spinous(name: str, solid: Solid, centre: F64) -> None:
    """Refuse a vertebra whose arch does not lie behind its body."""
    d = solid.inside_points() - centre
    arch = d.mean(0)
    if arch[1] <= 0.0 or abs(arch[0]) > arch[1] or abs(arch[2]) > 1.5 * arch[1]:
        words = ("left" if arch[0] > 0 else "right", "behind" if arch[1] > 0 else "before", "above" if arch[2] > 0 else "below")
        where = words[int(np.abs(arch).argmax())]
        raise DataError(f"import: the arch of {name} lies {where} its body; expected behind it: the frame is wrong (see --frame)")


def _check_sides(solids: Mapping[str, Solid], centres: Mapping[str, F64]) -> None:
    """Refuse a label map with left and right exchanged."""
    for name in list(solids):
        if not name.endswith("_left"):
            continue
        twin = name[: -len("_left")] + "_right"
        if twin in solids and solids[name].inside_points()[:, 0].mean() <= solids[twin].inside_points()[:, 0].mean():
            raise DataError(f"import: {name} lies to the right of {twin}; expected it to the left: left and right are exchanged")
    middle = float(np.mean([c[0] for c in centres.values()]))
    for organ, sign, word in (("liver", -1.0, "right"), ("spleen", 1.0, "left")):
        if organ in solids and sign * (solids[organ].inside_points()[:, 0].mean() - middle) < 0.0:
            raise DataError(
                f"import: the {organ} lies on the other side than the {word}; the picture is mirrored "
                "(or the organs are: situs inversus is not supported)"
            )
