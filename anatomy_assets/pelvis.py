"""Left and right hip bone: the wing as a plate with a curved course, the parts below it as swept ellipses.

Pelvic frame: origin = centre of the S1 endplate, x anterior, y left, z up when the sacral slope equals
`reference_slope`. The bone's own frame follows the wing so that its grid stays small. The face towards the
sacrum is cut by the joint surface of `sij`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anatomy_assets import primitives as prim
from anatomy_assets.parameters import SIDES, Parameters
from anatomy_assets.shape import Builder, Point, Shape
from anatomy_assets.sij import auricular, cut_ilium, surface
from sim.frames import sincos_mdeg

SPACING_MM = 1.0
NAMES = {"left": "ilium_left", "right": "ilium_right"}
JOINT_LAT_MM = 46.0
"""Mean distance of the joint surface from the midline: how far the hip bone moves when the sacrum is wider."""


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
    out = y + JOINT_LAT_MM * (p.sacrum.width_scale[SIDES.index(side)] - 1.0)
    return (x, out if side == "left" else -out, z)


def to_local(p: Parameters, side: str, q: Point) -> Point:
    """Return a point of the pelvic frame in the bone's local frame."""
    r, o = wing_rotation(p, side), wing_origin(p, side)
    d = [a - b for a, b in zip(q, o, strict=True)]
    return (
        r[0][0] * d[0] + r[1][0] * d[1] + r[2][0] * d[2],
        r[0][1] * d[0] + r[1][1] * d[1] + r[2][1] * d[2],
        r[0][2] * d[0] + r[1][2] * d[1] + r[2][2] * d[2],
    )


def pelvic_point(p: Parameters, side: str, x: float, y: float, z: float) -> Point:
    """Return a drawn point of the left half (pelvic frame) after the person's scales, on the asked side.

    Sideways and forwards the bone grows about the origin of the wing; what lies medial of it shrinks to the midline.
    """
    ox, oy, _ = p.morphometry.pelvis["shape"]["origin"]
    scale = p.pelvis.width_scale[SIDES.index(side)]
    out = abs(wing_origin(p, side)[1])
    lat = out + (y - oy) * scale if y > oy else y * out / oy
    return (ox + (x - ox) * scale, lat if side == "left" else -lat, z)


def _scaled(p: Parameters, side: str, u: float, v: float, w: float) -> Point:
    """Return plate coordinates after the person's scales: width acts sideways, lift on the crest only."""
    i = SIDES.index(side)
    share = min(max((v - 5.0) / 40.0, 0.0), 1.0)
    return u * p.pelvis.width_scale[i], v + share * p.pelvis.crest_lift[i], w * p.pelvis.width_scale[i]


def ilium(p: Parameters, side: str) -> Shape:
    """Return one hip bone in its local frame."""
    table = p.morphometry.pelvis
    b = Builder(NAMES[side], SPACING_MM)
    _wing(b, p, side)
    for part, blend in (("column", 8.0), ("brim", 6.0), ("ischium", 6.0), ("pubis", 6.0), ("ramus", 5.0), ("spine", 4.0)):
        _strand(b, p, side, table["shape"][part], blend)
    _cup(b, p, side)
    cut_ilium(b, p, side, lambda q: to_local(p, side, q))
    _cortex(b, p, side)
    return b.shape()


def _wing(b: Builder, p: Parameters, side: str) -> None:
    shape = p.morphometry.pelvis["shape"]
    out = 1.0 if side == "left" else -1.0
    outline = [list(_scaled(p, side, u, v, 0.0)[:2]) for u, v in shape["outline"]]
    frame = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, out, 0.0]
    reach = (-52.0, 60.0)
    low = (-8.0, min(out * reach[0], out * reach[1]), -115.0)
    high = (170.0, max(out * reach[0], out * reach[1]), 66.0)
    b.sheet(frame, outline, wing_faces(p, side), shape["rounding"], 0.0, low, high)
    rim = [_crest_point(p, side, u, v) for u, v in shape["outline"][3:12]]
    radius = [shape["crest_rim"]] * len(rim)
    b.chain(rim, radius, radius, (0.0, 0.0, 1.0), 5.0, square=0.0, smooth=1)


def wing_faces(p: Parameters, side: str) -> list[list[float]]:
    """Return rows u, v, medial, gluteal of the plate; over the joint the medial face follows the joint surface."""
    shape = p.morphometry.pelvis["shape"]
    drawn = []
    for u, v, medial, gluteal in shape["wing"]:
        su, sv, sm = _scaled(p, side, u, v, medial)
        drawn.append([su, sv, sm, sm + (gluteal - medial)])
    outer = [_scaled(p, side, u, v, w) for u, v, w in shape["gluteal"]]
    out = 1.0 if side == "left" else -1.0
    joint = []
    for x, z, y in auricular(p, side)[: shape["auricular_core"]]:
        u, w, v = to_local(p, side, (x, out * (y - shape["overlap"]), z))
        joint.append((u, v, out * w))
    medial = surface([(r[0], r[1], r[2]) for r in drawn] + joint)
    gluteal = surface([(r[0], r[1], r[3]) for r in drawn] + outer)
    rows = [[u, v, w, max(gluteal(u, v), w + 6.0)] for u, v, w in joint[:8:2]]
    middle = [[u, v, medial(u, v), w] for u, v, w in outer]
    return drawn + rows + [[u, v, w, max(gluteal(u, v), w + 6.0)] for u, v, w in joint[1::2]] + middle


def _crest_point(p: Parameters, side: str, u: float, v: float) -> Point:
    """Return the local point of the crest's middle, a little inside the outline."""
    shape = p.morphometry.pelvis["shape"]
    out = 1.0 if side == "left" else -1.0
    near = min(shape["wing"], key=lambda r: (r[0] - u) * (r[0] - u) + (r[1] - v) * (r[1] - v))
    su, sv, sw = _scaled(p, side, u, v - 3.0, 0.5 * (near[2] + near[3]))
    return (su, out * sw, sv)


def _strand(b: Builder, p: Parameters, side: str, rows: Sequence[Sequence[float]], blend: float) -> None:
    """Add a swept ellipse given in the pelvic frame."""
    points = [to_local(p, side, pelvic_point(p, side, *r[:3])) for r in rows]
    b.chain(points, [r[3] for r in rows], [r[4] for r in rows], (0.0, 0.1, 1.0), blend, square=0.1, smooth=1)


def _cup(b: Builder, p: Parameters, side: str) -> None:
    """Add the acetabulum: a thick ball around the hip's centre, hollowed out and open to its side."""
    shape = p.morphometry.pelvis["shape"]
    inner = head_radius(p) + p.morphometry.pelvis["measures"]["hip_space"]["value"]
    outer = inner + shape["cup_wall"]
    x, y, z = shape["hip_centre"]
    ax, ay, az = shape["cup_axis"]

    def along(t: float) -> Point:
        return to_local(p, side, pelvic_point(p, side, x + t * ax, y + t * ay, z + t * az))

    def ball(t0: float, t1: float, radius: float, op: int, blend: float) -> None:
        b.chain([along(t0), along(t1)], [radius] * 2, [radius] * 2, (0.1, 0.2, 1.0), blend, op=op, square=0.0, smooth=0)

    ball(-1.0, 1.0, outer, prim.UNION, 6.0)
    ball(-0.5, 0.5, inner, prim.SUBTRACT, 1.5)
    # the mouth: a ball further out cuts the rim so that the head is covered a little less than half
    ball(outer + 11.0, outer + 13.0, outer + 6.0, prim.SUBTRACT, 2.0)


def head_radius(p: Parameters) -> float:
    """Return the radius of the femoral head; it follows the size of the body (mm)."""
    return 0.5 * float(p.morphometry.pelvis["measures"]["femoral_head"]["value"]) * p.size_factor


def _cortex(b: Builder, p: Parameters, side: str) -> None:
    t: Mapping[str, float] = p.morphometry.pelvis["cortex"]
    x, y, z = p.morphometry.pelvis["shape"]["hip_centre"]
    b.cortex_base(t["wing"])
    b.cortex_plane((0.0, 0.0, 1.0), -30.0, 15.0, t["crest"])
    b.cortex_ball(to_local(p, side, pelvic_point(p, side, x, y, z)), head_radius(p) + 9.0, 6.0, t["cup"])


def landmarks(p: Parameters, side: str) -> dict[str, Point]:
    """Return the landmarks of one hip bone in its local frame: crest, psis, asis, hip, sij, sij.inferior, sij.posterior."""
    shape: Mapping[str, Any] = p.morphometry.pelvis["shape"]
    out = 1.0 if side == "left" else -1.0
    top = max(shape["outline"], key=lambda q: q[1])
    near = min(shape["wing"], key=lambda r: (r[0] - top[0]) * (r[0] - top[0]) + (r[1] - top[1]) * (r[1] - top[1]))
    u, v, w = _scaled(p, side, top[0], top[1], 0.5 * (near[2] + near[3]))
    psis = _scaled(p, side, 0.0, -4.0, 0.0)
    asis = _scaled(p, side, 152.5, 5.0, -1.0)
    joint = auricular(p, side)

    def on_joint(row: int) -> Point:
        x, z, y = joint[row]
        return to_local(p, side, (x, out * y, z))

    return {
        f"ilium.{side}.crest": (u, out * w, v),
        f"ilium.{side}.psis": (psis[0], out * psis[2], psis[1]),
        f"ilium.{side}.asis": (asis[0], out * asis[2], asis[1]),
        f"hip.{side}.centre": to_local(p, side, pelvic_point(p, side, *shape["hip_centre"])),
        f"sij.{side}.centre": on_joint(6),
        f"sij.{side}.inferior": on_joint(10),
        f"sij.{side}.posterior": on_joint(7),
    }
