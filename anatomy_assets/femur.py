"""Proximal femur: head, neck, trochanters and the upper shaft, in the frame of the hip bone of its side."""

from __future__ import annotations

from anatomy_assets.parameters import Parameters
from anatomy_assets.pelvis import head_radius, pelvic_point, to_local
from anatomy_assets.shape import Builder, Point, Shape

SPACING_MM = 1.2
NAMES = {"left": "femur_left", "right": "femur_right"}


def femur(p: Parameters, side: str) -> Shape:
    """Return one proximal femur in the local frame of the hip bone."""
    table = p.morphometry.pelvis
    b = Builder(NAMES[side], SPACING_MM)
    centre = _centre(p, side)
    radius = head_radius(p)
    ends = [(centre[0], centre[1] + d, centre[2]) for d in (-0.3, 0.3)]
    b.chain(ends, [radius] * 2, [radius] * 2, (0.0, 0.0, 1.0), 0.0, square=0.0, smooth=0)
    for part, blend in (("neck", 3.0), ("shaft", 6.0), ("trochanter", 6.0), ("lesser", 6.0)):
        rows = table["femur"][part]
        points = [to_local(p, side, pelvic_point(p, side, *r[:3])) for r in rows]
        b.chain(points, [r[3] for r in rows], [r[4] for r in rows], (0.0, 0.3, 1.0), blend, square=0.0, smooth=1)
    b.cortex_base(table["cortex"]["shaft"])
    b.cortex_plane((0.0, 0.0, 1.0), 150.0, 25.0, 1.5)
    b.cortex_ball(centre, radius + 6.0, 6.0, table["cortex"]["head"])
    return b.shape()


def _centre(p: Parameters, side: str) -> Point:
    x, y, z = p.morphometry.pelvis["shape"]["hip_centre"]
    return to_local(p, side, pelvic_point(p, side, x, y, z))
