"""Landmarks of a real bone: the model's landmarks carried onto it, then measured where a definition allows it.

The names are the contract of anatomy_assets/marks.py. Measured on the bone itself: end plates (plane through
their rims), body centre, posterior wall, pedicles (section across their axis), canal, spinous, transverse and
articular tips. Everything else is carried by the registration (imports/registration.py). The same rules are tried
on the model's own bone: what they miss its landmarks by is their bias, and is taken off the patient's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.imports.field import Solid
from anatomy_assets.imports.registration import Fit

F64 = NDArray[np.float64]
SIDES = ("left", "right")


def unit(v: F64) -> F64:
    """Return v / |v|."""
    return np.asarray(v / np.sqrt((v * v).sum()), np.float64)


def owner(mark: str, bones: Mapping[str, object]) -> str | None:
    """Return the bone that a landmark of the model lies on; None for landmarks between bones or of soft tissue."""
    head, _, rest = mark.partition(".")
    if head in ("target", "skin") or (".foramen." in mark and not head.startswith("S")):
        return None
    if head in bones:
        return head
    if (head.startswith("S") and head[1:].isdigit()) or head == "S":
        return "S" if "S" in bones else None
    word = rest.split(".")[0]
    return f"{head}_{word}" if f"{head}_{word}" in bones else None


def carried(marks: Mapping[str, F64], names: list[str], fit: Fit) -> dict[str, F64]:
    """Return the model's landmarks `names` carried by a fit; directions are turned, points moved."""
    points = {n: marks[n] for n in names if not n.endswith((".normal", ".axis"))}
    out = dict(zip(points, fit.carry(np.array(list(points.values()))), strict=True)) if points else {}
    for n in names:
        if n.endswith((".normal", ".axis")):
            base = marks.get(n.rsplit(".", 1)[0], marks.get(n.rsplit(".", 1)[0] + ".centre"))
            if base is not None:
                out[n] = fit.carry_direction(base, marks[n])
    return out


def like_the_model(
    level: str, marks: Mapping[str, F64], solid: Solid, model: Mapping[str, F64], bone: Solid, scale: float
) -> dict[str, F64]:
    """Return the landmarks of one vertebra measured on its bone, less the bias of the rules.

    marks: carried; model: the model's own; bone: the model's bone; scale: model -> patient. A rule need not stop where
    the model's landmark lies (a process seen as its farthest voxels, a pedicle as its section): what it misses the
    model's by, in the axes of the body, is taken off what it finds on the patient.
    """
    own = {n: np.asarray(model[n], np.float64) for n in marks}
    out, found = (
        vertebra_marks(level, marks, solid, _over_canal(level, own, scale)),
        vertebra_marks(level, own, bone, _over_canal(level, own, 1.0)),
    )
    turn = _axes(level, out).T @ _axes(level, found)
    for n, p in out.items():
        both = not np.array_equal(p, marks[n]) and not np.array_equal(found[n], own[n])
        if both and not n.endswith((".normal", ".axis")):
            out[n] = p - scale * (turn @ (found[n] - own[n]))
    for side in SIDES:  # a transverse process hides the outer border: as far outwards as the inner one lies inwards
        base = f"{level}.pedicle.{side}"
        out[f"{base}.lateral"] = 2.0 * out[f"{base}.centre"] - out[f"{base}.medial"]
    return out


def _axes(level: str, marks: Mapping[str, F64]) -> F64:
    """Return the axes of a body as rows: left, posterior, superior."""
    up = unit(marks[f"{level}.endplate.superior"] - marks[f"{level}.endplate.inferior"])
    left = marks[f"{level}.pedicle.left.centre"] - marks[f"{level}.pedicle.right.centre"]
    left = unit(left - up * (left * up).sum())
    return np.stack([left, np.cross(up, left), up])


def _over_canal(level: str, model: Mapping[str, F64], scale: float) -> float:
    """Return how far (mm, along the body's axis) the canal's middle lies above the pedicles' in the model, scaled."""
    middle = 0.5 * (model[f"{level}.pedicle.left.centre"] + model[f"{level}.pedicle.right.centre"])
    return scale * float((_axes(level, model)[2] * (model[f"{level}.canal.centre"] - middle)).sum())


def vertebra_marks(level: str, marks: Mapping[str, F64], solid: Solid, over_mm: float = 0.0) -> dict[str, F64]:
    """Return the carried landmarks of one vertebra with those replaced that can be measured on its own bone.

    over_mm: how far above the pedicles' middle the canal is measured.
    """
    out = dict(marks)
    _endplates(level, out, solid)
    left, back, up = _axes(level, out)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _pedicle(f"{level}.pedicle.{side}", sign * left, up, out, solid)
    _walls(level, out, solid, back, up)
    middle = 0.5 * (out[f"{level}.pedicle.left.centre"] + out[f"{level}.pedicle.right.centre"])
    off = middle - out[f"{level}.canal.centre"]
    out[f"{level}.canal.centre"] = out[f"{level}.canal.centre"] + (off @ left) * left + ((off @ up) + over_mm) * up
    points = solid.inside_points()
    d = points - out[f"{level}.body.centre"]
    x, y, z = d @ left, d @ back, d @ up
    _canal(level, out, solid, back)
    middle = np.abs(x) < 8.0
    behind = out[f"{level}.canal.back"] - out[f"{level}.body.centre"]
    process = middle & (y > float((behind * back).sum()) + 6.0)
    if process.any():
        reach = np.where(process, y, -1e9)
        tip = points[reach > reach.max() - 1.5].mean(0)
        out[f"{level}.spinous.tip"] = tip + 0.75 * back
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _processes(level, side, sign, out, points, (x, y, z))
    return out


def _endplates(level: str, out: dict[str, F64], solid: Solid) -> None:
    """Measure both end plates: rays along the body's axis, a plane through the hits near the rim, worst ones left out.

    The plate's centre is where the body's axis meets the plane of the rim (the plate itself is dished).
    """
    if f"{level}.endplate.superior.normal" not in out:
        return
    for _ in range(2):
        top, low = out[f"{level}.endplate.superior"], out[f"{level}.endplate.inferior"]
        centre, up = 0.5 * (top + low), unit(top - low)
        left = out[f"{level}.pedicle.left.centre"] - out[f"{level}.pedicle.right.centre"]
        left = unit(left - up * (left * up).sum())
        front = -np.cross(up, left)
        wide = [_reach(solid, centre, w * left) for w in (1.0, -1.0)]
        deep = [_reach(solid, centre, front), float(((centre - out[f"{level}.wall.posterior"]) * front).sum())]
        half = float(((top - low) * up).sum()) * 0.5
        for word, way in (("superior", up), ("inferior", -up)):
            hits = _plate_hits(solid, centre, left, front, way, wide, deep, half)
            if len(hits) < 12:
                continue
            origin, normal = _plane(hits, up)
            share = ((origin - centre) * normal).sum() / (way * normal).sum()
            if 0.5 * half < share < 1.6 * half:
                out[f"{level}.endplate.{word}"] = _centred(solid, centre + share * way, way, left, front)
                out[f"{level}.endplate.{word}.normal"] = normal
        middle = 0.5 * (out[f"{level}.endplate.superior"] + out[f"{level}.endplate.inferior"])
        out[f"{level}.body.centre"] = middle


INSIDE_MM = 3.5
"""How far inside an end plate its borders are looked for."""


def _centred(solid: Solid, plate: F64, way: F64, left: F64, front: F64) -> F64:
    """Return the centre of a plate, moved to the middle between its borders left and right, front and back."""
    start = plate - INSIDE_MM * way
    for axis, most in ((left, 40.0), (front, 30.0)):
        a, b = _reach(solid, start, axis, most), _reach(solid, start, -axis, most)
        if min(a, b) > 5.0 and max(a, b) < most and abs(a - b) < 8.0:
            start = start + 0.5 * (a - b) * axis
    return np.asarray(start + INSIDE_MM * way, np.float64)


def _walls(level: str, out: dict[str, F64], solid: Solid, back: F64, up: F64) -> None:
    """Measure the posterior wall of the body in its midline: half way up and near both end plates."""
    for word, start in (
        ("posterior", out[f"{level}.body.centre"]),
        ("superior", out[f"{level}.endplate.superior"] - INSIDE_MM * up),
        ("inferior", out[f"{level}.endplate.inferior"] + INSIDE_MM * up),
    ):
        far = _reach(solid, start, back, 35.0)
        if f"{level}.wall.{word}" in out and 5.0 < far < 35.0:
            out[f"{level}.wall.{word}"] = start + far * back


def _reach(solid: Solid, start: F64, way: F64, most: float = 45.0) -> float:
    """Return how far (mm) one goes inside the bone from a point along a unit direction."""
    t = np.arange(0.0, most, 0.25)
    d = solid.at(start + t[:, None] * way)
    outside = np.flatnonzero(d > 0.0)
    if not len(outside) or outside[0] == 0:
        return 0.0 if len(outside) else most
    i = int(outside[0])
    return float(t[i] - 0.25 * d[i] / (d[i] - d[i - 1]))  # where the surface lies between the two steps


def _plate_hits(
    solid: Solid, centre: F64, left: F64, front: F64, way: F64, wide: list[float], deep: list[float], half: float
) -> F64:
    """Return where rays from the waist meet the plate, in a ring near its rim; the sides towards the arch are left out."""
    hits = []
    for angle in np.arange(0.0, 360.0, 10.0):
        u, v = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        for share in (0.70, 0.80, 0.90):
            a = share * u * (wide[0] if u > 0 else wide[1])
            b = share * v * (deep[0] if v > 0 else deep[1])
            start = centre + a * left + b * front
            reach = _reach(solid, start, way, 1.7 * half)
            if 0.5 * half < reach < 1.6 * half:
                hits.append(start + reach * way)
    return np.array(hits).reshape(-1, 3)


def _plane(points: F64, up: F64) -> tuple[F64, F64]:
    """Return (point, unit normal) of a trimmed least-squares plane."""
    kept = points
    for _ in range(4):
        origin = kept.mean(0)
        _, _, vt = np.linalg.svd(kept - origin)
        normal = vt[2] if (vt[2] * up).sum() > 0 else -vt[2]
        off = np.abs((points - origin) @ normal)
        kept = points[off <= max(float(np.quantile(off, 0.8)), 0.3)]
    return origin, normal


ISTHMUS_MM = np.arange(-6.0, 6.1, 1.0)
"""Where along its axis the narrowest section of a pedicle is looked for (from the carried middle): off body and processes."""


def _pedicle(base: str, out_way: F64, up: F64, out: dict[str, F64], solid: Solid) -> None:
    """Measure one pedicle: the middle of its waist across the carried axis, and its borders from there.

    The waist is a mean of the sections, each weighed by how much the bone widens in front and behind (`waist`): what the bone
    changes by a little moves it by a little, where the narrowest section alone could jump from one end to the other.
    """
    axis = unit(out[f"{base}.axis"])  # forwards
    start = out[f"{base}.centre"]
    across = unit(np.cross(axis, up))
    across = across if (across * out_way).sum() > 0 else -across
    high = np.cross(across, axis)
    high = high if (high * up).sum() > 0 else -high
    a, b = np.meshgrid(np.arange(-13.0, 13.1, 0.5), np.arange(-13.0, 13.1, 0.5), indexing="ij")
    plane = start + a[..., None] * across + b[..., None] * high
    found = {}
    for t in ISTHMUS_MM:
        piece = _section(solid.at(plane + t * axis) < 0.0)
        if piece is not None and piece.sum() >= 60 and max(abs(a[piece].mean()), abs(b[piece].mean())) <= 6.0:
            found[float(t)] = piece
    if not found:
        return
    ways = np.array(sorted(found))
    share = waist(ways, np.array([float(found[t].sum()) for t in ways]))
    middles = [start + t * axis + a[found[t]].mean() * across + b[found[t]].mean() * high for t in ways]
    centre = (share[:, None] * np.array(middles)).sum(0)
    out[f"{base}.centre"] = centre
    for word, way in (("lateral", out_way), ("medial", -out_way)):
        out[f"{base}.{word}"] = centre + _reach(solid, centre, way, 16.0) * way
    for word, way in (("superior", up), ("inferior", -up)):
        out[f"{base}.{word}"] = centre + _reach(solid, centre, way, 16.0) * way


SHARP, NEAR_MM, NO_WAIST = 12.0, 1.0, 2.0
"""How fast a wider section loses weight; width and weight of the places about the carried middle, for want of a waist (L5)."""


def waist(ways: F64, areas: F64) -> F64:
    """Return the shares (n,), sum 1, of sections at `ways` (mm, ascending) with `areas` (mm2) in the waist of a pedicle."""
    before, behind = np.maximum.accumulate(areas), np.maximum.accumulate(areas[::-1])[::-1]
    deep = np.minimum(before, behind) / areas  # 1 where the bone does not widen on both sides
    share = deep**SHARP - 1.0 + NO_WAIST * np.exp(-0.5 * (ways / NEAR_MM) ** 2)
    return np.asarray(share / share.sum())


def _section(inside: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Return the piece of a section that holds (or is nearest to) its middle."""
    from scipy import ndimage

    pieces, count = ndimage.label(inside)
    if count == 0:
        return None
    middle = tuple(n // 2 for n in inside.shape)
    label = pieces[middle]
    if label == 0:
        where = np.argwhere(inside)
        near = where[((where - np.array(middle)) ** 2).sum(1).argmin()]
        if ((near - np.array(middle)) ** 2).sum() > 64:
            return None
        label = pieces[tuple(near)]
    return np.asarray(pieces == label)


def _canal(level: str, out: dict[str, F64], solid: Solid, back: F64) -> None:
    """Measure the canal at pedicle height: from its carried middle forwards and backwards to bone."""
    centre = out[f"{level}.canal.centre"]
    if float(solid.at(centre[None])[0]) < 1.0:
        return
    t = np.arange(0.0, 20.0, 0.25)
    for word, way in (("front", -back), ("back", back)):
        hit = np.flatnonzero(solid.at(centre + t[:, None] * way) < 0.0)
        if len(hit):
            out[f"{level}.canal.{word}"] = centre + float(t[hit[0]]) * way
    out[f"{level}.canal.centre"] = 0.5 * (out[f"{level}.canal.front"] + out[f"{level}.canal.back"])


def _processes(level: str, side: str, sign: float, out: dict[str, F64], points: F64, xyz: tuple[F64, F64, F64]) -> None:
    """Measure the tips of the transverse and articular processes of one side by their extremes near the carried ones."""
    x, _, z = xyz
    own = sign * x > 6.0
    for name, reach, near in (
        (f"{level}.transverse.{side}.tip", sign * x, 18.0),
        (f"{level}.iap.{side}.tip", -z, 8.0),
        (f"{level}.sap.{side}.tip", z, 6.0),
    ):
        if name not in out:
            continue
        d = points - out[name]
        close = own & ((d * d).sum(1) < near * near)
        if close.any():
            far = np.where(close, reach, -1e9)
            out[name] = points[far > far.max() - 1.0].mean(0)


def body_size(level: str, marks: Mapping[str, F64], solid: Solid) -> tuple[float, float, float, float]:
    """Return half width and half depth of the lower, then of the upper end plate (mm), 3 mm inside the plate."""
    top, low = marks[f"{level}.endplate.superior"], marks[f"{level}.endplate.inferior"]
    up = unit(top - low)
    left = marks[f"{level}.pedicle.left.centre"] - marks[f"{level}.pedicle.right.centre"]
    left = unit(left - up * (left * up).sum())
    front = -np.cross(up, left)
    sizes = []
    for plate, step in ((low, up), (top, -up)):
        start = plate + 3.5 * step
        width = 0.5 * (_reach(solid, start, left) + _reach(solid, start, -left))
        ahead = _reach(solid, start, front)
        behind = min(_reach(solid, start, -front), ahead + 4.0)
        sizes += [width, 0.5 * (ahead + behind)]
    return sizes[0], sizes[1], sizes[2], sizes[3]


def sacrum_marks(marks: Mapping[str, F64], solid: Solid) -> dict[str, F64]:
    """Return the carried sacral landmarks with the S1 end plate measured: a plane through the hits near its rim."""
    out = dict(marks)
    top = out["S1.endplate.superior"]
    promontory, wall = out["S.promontory"], out["S1.wall.posterior"]
    front = promontory - wall
    left = unit(out["S1.pedicle.left.centre"] - out["S1.pedicle.right.centre"])
    up = unit(np.cross(left, -unit(front)))
    up = up if up[2] > 0 else -up
    deep = 0.5 * float(np.sqrt(((front - up * (front * up).sum()) ** 2).sum()))
    hits = []
    for angle in np.arange(0.0, 360.0, 10.0):
        for share in (0.6, 0.72, 0.84):
            start = top + share * deep * (1.35 * np.cos(np.radians(angle)) * left + np.sin(np.radians(angle)) * unit(front))
            t = np.arange(12.0, -8.0, -0.25)  # from above downwards
            d = solid.at(start + t[:, None] * up)
            inside = np.flatnonzero(d < 0.0)
            if len(inside) and inside[0] > 0:
                hits.append(start + t[inside[0]] * up)
    if len(hits) >= 20:
        origin, normal = _plane(np.array(hits), up)
        top = top + ((origin - top) * normal).sum() / (up * normal).sum() * up
    pairs = [(n, n.replace(".left", ".right")) for n in out if n.startswith("S1.") and ".left" in n and not n.endswith(".axis")]
    off = [float(((0.5 * (out[a] + out[b]) - top) * left).sum()) for a, b in pairs if b in out]
    out["S1.endplate.superior"] = top + float(np.median(off)) * left  # the midline between left and right landmarks
    return out
