"""The shaft in the patient: hub axes, its shape on the cut path (sim.cut), bone it touches.

Hub axes have their origin at the skin entry and sim.frames.hub_frame as axes, so the shaft is w(z) across the
axis of the hub. sim.bending has the beam itself, docs/PHYSICS.md the model and its limits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.bending import (
    GAUSS_AT,
    GAUSS_WEIGHT,
    MOST_CONTACTS,
    MOST_UPRIGHT,
    add_element,
    add_foundation,
    add_rest,
    axial_positions,
    between,
    clamp,
    compliance,
    contact_forces,
    factorise,
    influence,
    leaning,
    substitute,
)
from sim.fields import Fields, bone_distance, bone_normal
from sim.frames import sincos_mdeg
from sim.jit import inner, jit

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# columns of the tissue table
FOUNDATION, CUT, FRICTION, PUNCTURE, MEMBRANE = 0, 1, 2, 3, 4

DEEPEST_IN_BONE_MM = 0.05
"""A shape that would push the axis of the shaft deeper than this into bone, at a place or between two, is not accepted.
Places are the nodes and the middles of the elements: 2 i is node i, 2 i + 1 the middle of element i."""
MOST_SLOPE = 0.4226
"""Steepest lean of the shaft against the hub axis (sine of 25 degrees): a needle bent further is stopped."""
EVERYWHERE = 1e12
IN_BORE_MM = 1e6
"""Room of a place in a hole that the needle made in bone."""
NEAR_MIDDLE_MM = 0.1
"""The middle of an element joins the contacts only this near to bone: the nodes carry smooth faces, middles sharp edges."""
WATCH_MM = 2.0
"""Places with no more room to bone than this are measured in every trial."""


class Rod(NamedTuple):
    """One needle and one hand, as the kernel needs them."""

    length: float
    radius: float
    point: float  # radius of the tip: half the shaft, or the edge of a bone needle
    ei: float  # of the tube, and of the stylet while it is in
    kick: float  # angle between the shaft and the cut, radians
    curl: float  # curvature of the unloaded tip towards the roll direction, 1/mm
    curl_mm: float  # over this length
    held_mm: float  # free length between fingers and skin; the shaft is straight between hub and fingers (0: held at the hub)
    held_ei: float
    guide_mm: float  # an introducer reaches so deep (0: none)
    guide_ei: float
    stiffness: float  # of the hand
    most_n: float  # of the hand
    step_mm: float  # most axial travel per ms
    contact: float  # penalty
    grip: float
    turn: int  # mdeg per ms of the bevel
    tilt: int  # mdeg per ms of the hub
    blocked_ms: int
    bores: bool  # a bone needle
    side_n_per_mm: float  # force of bone on its side, per length in bone
    bone_factor: float  # of this patient's bone


# --- axes -----------------------------------------------------------------------------------------


@jit
def set_frame(frame: F64, yaw: int, pitch: int) -> None:
    """Write the hub frame (columns ex, ey, ez), equal to sim.frames.hub_frame."""
    sy, cy = sincos_mdeg(yaw)
    sp, cp = sincos_mdeg(pitch)
    frame[0, 2], frame[1, 2], frame[2, 2] = sy * cp, -cy * cp, sp
    frame[0, 0], frame[1, 0], frame[2, 0] = cy, sy, 0.0
    frame[0, 1] = frame[1, 2] * frame[2, 0] - frame[2, 2] * frame[1, 0]
    frame[1, 1] = frame[2, 2] * frame[0, 0] - frame[0, 2] * frame[2, 0]
    frame[2, 1] = frame[0, 2] * frame[1, 0] - frame[1, 2] * frame[0, 0]


@inner
def to_hub(frame: F64, entry: F64, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return a patient-frame point in hub axes, origin at the skin entry."""
    x, y, z = x - entry[0], y - entry[1], z - entry[2]
    return (
        frame[0, 0] * x + frame[1, 0] * y + frame[2, 0] * z,
        frame[0, 1] * x + frame[1, 1] * y + frame[2, 1] * z,
        frame[0, 2] * x + frame[1, 2] * y + frame[2, 2] * z,
    )


@jit
def to_patient(frame: F64, entry: F64, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return a point in hub axes (origin at the skin entry) in the patient frame."""
    return (
        entry[0] + frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z,
        entry[1] + frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z,
        entry[2] + frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z,
    )


# --- shape ----------------------------------------------------------------------------------------


@inner
def support(rod: Rod, low: float, high: float, skin: float, depth: float) -> float:
    """Return the bending stiffness (N mm2) that fingers and introducer add to an element from low to high (mm from the hub).

    Fingers keep the shaft straight from the hub to `held_mm` outside the skin. An introducer travels with the needle until
    its hub meets the skin: it encloses the last `guide_mm` before that, and then the first `guide_mm` under the skin.
    """
    if rod.held_mm <= 0.0 and rod.guide_mm <= 0.0:
        return 0.0
    long = high - low
    added = 0.0
    if rod.held_mm > 0.0:
        added += rod.held_ei * max(0.0, min(high, skin - rod.held_mm) - low) / long
    if rod.guide_mm > 0.0:
        first = min(skin, skin + depth - rod.guide_mm)
        added += rod.guide_ei * max(0.0, min(high, first + rod.guide_mm) - max(low, first)) / long
    return added


@inner
def assemble(
    rod: Rod,
    rows: F64,
    local: F64,
    label: I64,
    count: int,
    depth: float,
    thrust: float,
    curl_x: float,
    curl_y: float,
    w: F64,
    z: F64,
    band: F64,
    rhs: F64,
) -> float:
    """Write the matrix and load of the shaft at a depth on its cut path; return the friction (N) along it.

    local: path in hub axes; w: the last shape, whose lean stiffens each element; z: axial coordinates of the
    nodes from the hub; (curl_x, curl_y): curvature of the unloaded tip (1/mm). Thrust falls along the inserted part.
    """
    nodes = z.shape[0]
    h = rod.length / (nodes - 1)
    for i in range(2 * nodes):
        for c in range(4):
            band[i, c] = 0.0
        rhs[i, 0], rhs[i, 1] = 0.0, 0.0
    skin = rod.length - depth
    friction = 0.0
    j = 0
    for e in range(nodes - 1):
        mid = 0.5 * (z[e] + z[e + 1]) - skin
        share = 1.0 if mid <= 0.0 or depth <= 0.0 else max(0.0, 1.0 - mid / depth)
        whole = rod.ei + support(rod, e * h, (e + 1) * h, skin, depth)
        bent = 0.0
        if rod.curl_mm > 0.0:
            bent = min(max(((e + 1) * h - rod.length + rod.curl_mm) / h, 0.0), 1.0) * rod.ei / whole
        ei, tension = leaning(w, e, h, whole, bent * curl_x, bent * curl_y)
        add_element(band, e, h, ei, thrust * share - tension)
        if bent > 0.0:
            add_rest(rhs, e, ei, bent * curl_x, bent * curl_y)
        step = z[e + 1] - z[e]
        start = min(max((skin - z[e]) / step, 0.0), 1.0)
        if start >= 1.0 or count < 2:
            continue
        part = 1.0 - start
        for g in range(4):
            xi = start + part * GAUSS_AT[g]
            weight = h * part * GAUSS_WEIGHT[g]
            at = z[e] + xi * step - skin
            while j < count - 2 and local[j + 1, 2] < at:
                j += 1
            span = local[j + 1, 2] - local[j, 2]
            s = 1.0
            if span > 1e-9:
                s = min(max((at - local[j, 2]) / span, 0.0), 1.0)
            ax = local[j, 0] + s * (local[j + 1, 0] - local[j, 0])
            ay = local[j, 1] + s * (local[j + 1, 1] - local[j, 1])
            tissue = label[j]
            add_foundation(band, rhs, e, h, xi, rows[tissue, FOUNDATION] * weight, ax, ay)
            friction += rows[tissue, FRICTION] * weight
    clamp(band, rhs)
    return friction


@inner
def upright(slope_x: float, slope_y: float) -> float:
    """Return the axial part of the unit tangent of the shaft; its lateral parts are w' (sines: per length of shaft)."""
    return float(np.sqrt(max(1.0 - slope_x * slope_x - slope_y * slope_y, MOST_UPRIGHT)))


@inner
def drawn_back(w: F64, h: float, dq: float, w2: F64) -> None:
    """Write into w2 the shape w slid back along its own line by dq (mm, negative): where the shaft lay, it may lie again."""
    for c in range(4):
        w2[0, c] = w[0, c]
    for i in range(1, w.shape[0]):
        uz = upright(w[i, 1], w[i, 3])
        for plane in range(0, 4, 2):
            w2[i, plane] = w[i, plane] + dq * w[i, plane + 1] / uz
            w2[i, plane + 1] = w[i, plane + 1] + dq * (w[i, plane + 1] - w[i - 1, plane + 1]) / h


@inner
def copied(to: F64, of: F64) -> None:
    """Copy a table (n, k) without numpy's broadcasting, which is long to compile."""
    for i in range(of.shape[0]):
        for c in range(of.shape[1]):
            to[i, c] = of[i, c]


@inner
def move_places(
    f: Fields, rod: Rod, frame: F64, entry: F64, w: F64, z: F64, skin: float, bore: F64, at: F64, room: F64, most: float
) -> tuple[float, int]:
    """Write the positions of the places and how much room (mm) each has to bone; return (least distance, bone).

    bore: (from, to), depths (mm) between which the shaft lies in a hole that it made in bone and touches nothing. A place
    that had room enough is not measured again: room shrinks by at most the way it moved. Places with more room than `most`
    stay where they are (WATCH_MM: a trial; EVERYWHERE: all move).
    """
    least, which = 1e3, -1
    nodes = w.shape[0]
    h = (z[nodes - 1] - z[0]) / (nodes - 1)
    for p in range(2 * nodes - 1):
        if 0.5 * IN_BORE_MM < room[p] <= IN_BORE_MM:
            room[p] = -1.0
        if room[p] > most:
            continue
        i = p // 2
        dx, dy, along = w[i, 0], w[i, 2], z[i]
        if p % 2 == 1:
            dx = between(w[i, 0], w[i, 1], w[i + 1, 0], w[i + 1, 1], h)
            dy = between(w[i, 2], w[i, 3], w[i + 1, 2], w[i + 1, 3], h)
            along = 0.5 * (z[i] + z[i + 1])
        x, y, zz = to_patient(frame, entry, dx, dy, along - skin)
        room[p] -= 1.2 * (abs(x - at[p, 0]) + abs(y - at[p, 1]) + abs(zz - at[p, 2]))
        at[p, 0], at[p, 1], at[p, 2] = x, y, zz
        if bore[0] < along - skin < bore[1]:
            room[p] = IN_BORE_MM
        elif room[p] <= WATCH_MM:
            d, b = bone_distance(f, x, y, zz)
            room[p] = d - (rod.radius if p < 2 * nodes - 2 else rod.point)
            if d < least:
                least, which = d, b
    return least, which


@inner
def dips(f: Fields, radius: float, at: F64, room: F64) -> int:
    """Return the bone in which the axis dips deeper than DEEPEST_IN_BONE_MM between two places, -1 if it does nowhere.

    A distance changes no faster than the point moves: only pieces whose ends are near enough are looked at, at eight points.
    """
    for p in range(at.shape[0] - 1):
        if room[p] == IN_BORE_MM or room[p + 1] == IN_BORE_MM:
            continue
        dx, dy, dz = at[p + 1, 0] - at[p, 0], at[p + 1, 1] - at[p, 1], at[p + 1, 2] - at[p, 2]
        if room[p] + room[p + 1] + 2.0 * radius > np.sqrt(dx * dx + dy * dy + dz * dz):
            continue
        for g in range(1, 8):
            s = 0.125 * g
            d, b = bone_distance(f, at[p, 0] + s * dx, at[p, 1] + s * dy, at[p, 2] + s * dz)
            if d < -DEEPEST_IN_BONE_MM:
                return b
    return -1


@inner
def gather(
    f: Fields,
    frame: F64,
    w: F64,
    z: F64,
    at: F64,
    room: F64,
    stuck: bool,
    spot_x: float,
    spot_y: float,
    place: I64,
    nx: F64,
    ny: F64,
    rest: F64,
    both: NDArray[np.bool_],
) -> tuple[int, int]:
    """List the contacts to respect: places near bone (n . w >= rest), and the grip of a stuck tip in both planes.

    Returns (number, bone of the last). Normals are those of bone, seen across the hub axis; a place that meets
    bone head-on is no lateral contact. The nodes come first, then the middles between them.
    """
    nodes = w.shape[0]
    last = 2 * nodes - 2
    h = (z[nodes - 1] - z[0]) / (nodes - 1)
    m, which = 0, -1
    if stuck:
        for plane in range(2):
            place[m], both[m] = last, True
            nx[m], ny[m] = 1.0 - plane, 1.0 * plane
            rest[m] = spot_x if plane == 0 else spot_y
            m += 1
    for p in range(last, 0, -1):
        if room[p] > 0.5 or m >= MOST_CONTACTS or (stuck and p == last):
            continue
        if p % 2 == 1 and room[p] > NEAR_MIDDLE_MM:
            continue
        _, b = bone_distance(f, at[p, 0], at[p, 1], at[p, 2])
        gx, gy, gz = bone_normal(f, b, at[p, 0], at[p, 1], at[p, 2])
        lx = gx * frame[0, 0] + gy * frame[1, 0] + gz * frame[2, 0]
        ly = gx * frame[0, 1] + gy * frame[1, 1] + gz * frame[2, 1]
        if lx * lx + ly * ly < 0.04:
            continue
        which = b
        place[m], nx[m], ny[m], both[m] = p, lx, ly, False
        i = p // 2
        wx, wy = w[i, 0], w[i, 2]
        if p % 2 == 1:
            wx = between(w[i, 0], w[i, 1], w[i + 1, 0], w[i + 1, 1], h)
            wy = between(w[i, 2], w[i, 3], w[i + 1, 2], w[i + 1, 3], h)
        rest[m] = lx * wx + ly * wy - room[p]
        m += 1
    return m, which


@inner
def press(
    rod: Rod,
    band: F64,
    rhs: F64,
    columns: F64,
    have: NDArray[np.bool_],
    place: I64,
    nx: F64,
    ny: F64,
    rest: F64,
    both: NDArray[np.bool_],
    m: int,
    w: F64,
) -> tuple[bool, float, float]:
    """Write the shape under the contact forces; return (settled, largest change mm, force on the tip N)."""
    nodes = w.shape[0]
    h = rod.length / (nodes - 1)
    a = np.empty((m, m))
    r = np.empty(m)
    force = np.zeros(m)
    for c in range(m):
        if not have[place[c]]:
            influence(band, place[c], h, columns)
            have[place[c]] = True
    for c in range(m):
        i = place[c]
        wx, wy = rhs[i, 0], rhs[i, 1]
        if i % 2 == 1:
            wx = between(rhs[i - 1, 0], rhs[i, 0], rhs[i + 1, 0], rhs[i + 2, 0], h)
            wy = between(rhs[i - 1, 1], rhs[i, 1], rhs[i + 1, 1], rhs[i + 2, 1], h)
        r[c] = rest[c] - nx[c] * wx - ny[c] * wy
        for k in range(m):
            a[c, k] = (nx[c] * nx[k] + ny[c] * ny[k]) * compliance(columns, place[k], place[c], h)
        a[c, c] += 1.0 / rod.contact
    settled = contact_forces(a, r, both, m, force)
    change, tip_force = 0.0, 0.0
    for c in range(m):
        if place[c] == 2 * nodes - 2:
            tip_force += abs(force[c])
    for i in range(nodes):
        wx, tx, wy, ty = rhs[2 * i, 0], rhs[2 * i + 1, 0], rhs[2 * i, 1], rhs[2 * i + 1, 1]
        for c in range(m):
            u, v = columns[place[c], 2 * i] * force[c], columns[place[c], 2 * i + 1] * force[c]
            wx += nx[c] * u
            wy += ny[c] * u
            tx += nx[c] * v
            ty += ny[c] * v
        change = max(change, abs(wx - w[i, 0]), abs(wy - w[i, 2]))
        w[i, 0], w[i, 1], w[i, 2], w[i, 3] = wx, tx, wy, ty
    return settled, change, tip_force


@inner
def bend(
    f: Fields,
    rod: Rod,
    rows: F64,
    frame: F64,
    entry: F64,
    local: F64,
    label: I64,
    count: int,
    depth: float,
    thrust: float,
    roll: int,
    bore: F64,
    stuck: bool,
    stuck_mm: F64,
    w: F64,
    z: F64,
    at: F64,
    room: F64,
    band: F64,
    rhs: F64,
    columns: F64,
) -> tuple[bool, float, float, int]:
    """Find the shape of the shaft. w, z, at: in the last shape, out the new one; room (mm to bone) likewise.

    Returns (accepted, friction N, force of bone on the tip N, bone met last). A shape with a place in bone, or
    bent further than MOST_SLOPE against the hub (then the bone is -1), is not accepted.
    """
    nodes = w.shape[0]
    places = 2 * nodes - 1
    h = rod.length / (nodes - 1)
    skin = rod.length - depth
    sr, cr = sincos_mdeg(roll)
    curl_x, curl_y = rod.curl * cr, rod.curl * sr
    friction = 0.0
    for tries in range(8):
        friction = assemble(rod, rows, local, label, count, depth, thrust, curl_x, curl_y, w, z, band, rhs)
        if factorise(band):
            break
        if tries > 6:
            return False, friction, 0.0, -1
        thrust = 0.5 * thrust if tries < 5 else 0.0
    substitute(band, rhs)
    near = stuck
    for p in range(places):
        near = near or room[p] <= WATCH_MM
    tip_force, met = 0.0, -1
    settled = True
    if near:
        place = np.empty(MOST_CONTACTS, np.int64)
        nx = np.empty(MOST_CONTACTS)
        ny = np.empty(MOST_CONTACTS)
        rest = np.empty(MOST_CONTACTS)
        both = np.zeros(MOST_CONTACTS, np.bool_)
        have = np.zeros(places, np.bool_)
        spot_x, spot_y, _ = to_hub(frame, entry, stuck_mm[0], stuck_mm[1], stuck_mm[2])
        for _p in range(5):
            move_places(f, rod, frame, entry, w, z, skin, bore, at, room, WATCH_MM)
            m, b = gather(f, frame, w, z, at, room, stuck, spot_x, spot_y, place, nx, ny, rest, both)
            met = b if b >= 0 else met
            settled, change, tip_force = press(rod, band, rhs, columns, have, place, nx, ny, rest, both, m, w)
            axial_positions(w, h, z)
            if not settled or change < 0.002:
                break
    else:
        for i in range(nodes):
            w[i, 0], w[i, 1], w[i, 2], w[i, 3] = rhs[2 * i, 0], rhs[2 * i + 1, 0], rhs[2 * i, 1], rhs[2 * i + 1, 1]
        axial_positions(w, h, z)
    least, b = move_places(f, rod, frame, entry, w, z, skin, bore, at, room, EVERYWHERE)
    if least < -DEEPEST_IN_BONE_MM:
        return False, friction, tip_force, b
    b = dips(f, rod.radius, at, room)
    if b >= 0:
        return False, friction, tip_force, b
    for i in range(nodes):
        if not w[i, 1] * w[i, 1] + w[i, 3] * w[i, 3] < MOST_SLOPE * MOST_SLOPE:
            return False, friction, tip_force, -1
    return settled, friction, tip_force, met
