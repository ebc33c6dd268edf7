"""Left and right ilium as plates with a curved course, and their landmarks.

Pelvic frame: origin = centre of the S1 endplate, x anterior, y left, z up when the sacral slope equals
`reference_slope`. The bone's own frame follows the wing so that its grid stays small.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anatomy_assets import primitives as prim
from anatomy_assets.parameters import SIDES, Parameters
from anatomy_assets.shape import Builder, Point, Shape
from sim.frames import sincos_mdeg

SPACING_MM = 0.8
NAMES = {"left": "ilium_left", "right": "ilium_right"}


def wing_rotation(p: Parameters, side: str) -> list[list[float]]:
    """Return the rotation from the bone's local frame to the pelvic frame.

    Local x runs forwards and outwards along the wing, z up. Local y points outwards on the left and inwards
    on the right, so that both sets are right-handed.
    """
    s, c = sincos_mdeg(p.morphometry.pelvis["shape"]["u_axis_mdeg"])
    sign = 1.0 if side == "left" else -1.0
    return [[c, -sign * s, 0.0], [sign * s, c, 0.0], [0.0, 0.0, 1.0]]


def wing_origin(p: Parameters, side: str) -> Point:
    """Return the origin of the bone's local frame (near the posterior superior spine) in the pelvic frame."""
    x, y, z = p.morphometry.pelvis["shape"]["origin"]
    return (x, y if side == "left" else -y, z)


def _scaled(p: Parameters, side: str, u: float, v: float, w: float) -> Point:
    """Return plate coordinates after the person's scales: width acts sideways, lift on the crest only."""
    i = SIDES.index(side)
    share = min(max((v - 5.0) / 40.0, 0.0), 1.0)
    return u * p.pelvis.width_scale[i], v + share * p.pelvis.crest_lift[i], w * p.pelvis.width_scale[i]


def ilium(p: Parameters, side: str) -> Shape:
    """Return one ilium in its local frame."""
    table = p.morphometry.pelvis
    shape = table["shape"]
    b = Builder(NAMES[side], SPACING_MM)
    out = 1.0 if side == "left" else -1.0
    outline = [list(_scaled(p, side, u, v, 0.0)[:2]) for u, v in shape["outline"]]
    faces = []
    for u, v, medial, gluteal in shape["wing"]:
        su, sv, sm = _scaled(p, side, u, v, medial)
        faces.append([su, sv, sm, sm + (gluteal - medial)])
    frame = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, out, 0.0]
    reach = (-34.0, 50.0)
    low = (-8.0, min(out * reach[0], out * reach[1]), -100.0)
    high = (168.0, max(out * reach[0], out * reach[1]), 62.0)
    b.sheet(frame, outline, faces, shape["rounding"], 0.0, low, high)
    _socket(b, p, side)
    _cortex(b, table["cortex"])
    return b.shape()


def _socket(b: Builder, p: Parameters, side: str) -> None:
    """Hollow out the roof of the acetabulum: a ball around the hip's centre."""
    out = 1.0 if side == "left" else -1.0
    u, v, w, radius = p.morphometry.pelvis["shape"]["socket"]
    su, sv, sw = _scaled(p, side, u, v, w)
    near, far = (su, out * (sw - 0.5), sv), (su, out * (sw + 0.5), sv)
    b.chain([near, far], [radius] * 2, [radius] * 2, (0.0, 0.0, 1.0), 2.0, op=prim.SUBTRACT, square=0.0, smooth=0)


def _cortex(b: Builder, t: Mapping[str, float]) -> None:
    b.cortex_base(t["wing"])
    b.cortex_plane((0.0, 0.0, 1.0), -30.0, 15.0, t["crest"])


def landmarks(p: Parameters, side: str) -> dict[str, Point]:
    """Return the landmarks of one ilium in its local frame."""
    shape: Mapping[str, Any] = p.morphometry.pelvis["shape"]
    out = 1.0 if side == "left" else -1.0
    top = max(shape["outline"], key=lambda q: q[1])
    near = min(shape["wing"], key=lambda r: (r[0] - top[0]) * (r[0] - top[0]) + (r[1] - top[1]) * (r[1] - top[1]))
    u, v, w = _scaled(p, side, top[0], top[1], 0.5 * (near[2] + near[3]))
    psis = _scaled(p, side, 0.0, -4.0, 0.0)
    return {
        f"ilium.{side}.crest": (u, out * w, v),
        f"ilium.{side}.psis": (psis[0], out * psis[2], psis[1]),
    }
