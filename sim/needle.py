"""The needle: the hand moves the hub, the shaft bends in the tissue, the tip cuts its way.

The hub slides along its axis through the skin entry (`sim.frames.hub_frame`). Per millisecond: the hand moves,
stick-slip decides how far the needle follows (sim.puncture), the shaft takes the shape of least energy between
hub, cut path and bone (sim.bending), the tip cuts on along tip slope + bevel angle, and what it crossed is noted.
docs/PHYSICS.md has the model, its accuracy and its limits.

A *pass* is an advance after a placement or after a withdrawal of `needle.pass_withdrawal_mm` (5 mm) or more;
`passes` counts all of the attempt, and `needle_removed` reports that count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.bending import (
    GAUSS_AT,
    GAUSS_WEIGHT,
    MOST_CONTACTS,
    NODES,
    add_element,
    add_foundation,
    axial_positions,
    bending_stiffness,
    clamp,
    contact_forces,
    factorise,
    influence,
    substitute,
)
from sim.command import Command
from sim.errors import NumericalFault
from sim.event import Event, event
from sim.frames import sincos_mdeg
from sim.jit import jit
from sim.phantom import Fields, Tissue, TubeKind, bone_distance, bone_normal, skin_y
from sim.puncture import (
    AIR,
    CUT,
    FOUNDATION,
    FRICTION,
    LOG_BONE,
    LOG_BUCKLE,
    LOG_IN,
    LOG_OUT,
    LOG_POP,
    LOG_TISSUE,
    LOG_WIDTH,
    MEMBRANE,
    NO_MEMBRANE,
    PUNCTURE,
    SAME_MEMBRANE_MM,
    SKIN,
    TUBE,
    advance_of,
    membrane_ahead,
    membrane_row,
    note,
    tissue_of,
    travel,
)
from sim.state import NeedleState, State, Study
from sim.tip import TISSUE_NAME, facts_at, tip_facts, um
from sim.tools import Needle, Toolbox

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

MS_PER_TICK = 10
PATH_STEP_MM = 0.5
LOG_ROWS = 64
PI2 = 9.869604401089358
FIXED_PINNED = 20.190728556426629
"""Euler load of a column held at one end and hinged at the other: 20.19 EI / l^2."""

SOFTENING_SHARE = 0.5
"""The thrust that softens the shaft is kept below this share of the Euler load of its free part (fixed-free)."""
DEEPEST_IN_BONE_MM = 0.05
"""A step that would push a node's axis deeper than this into bone is not taken."""
WATCH_MM = 2.0
"""Nodes with no more room to bone than this are measured in every trial."""
STEEP = -0.5
"""A tip that meets bone with n.ez below this grips; above it slides."""

# scalars of the kernel: floats ...
ASKED, GOAL, SPEED, DEPTH, FORCE, FRICTION_N, OPENED_MM, MEMBRANE_FORCE = 0, 1, 2, 3, 4, 5, 6, 7
# ... and integers
YAW, PITCH, ROLL, YAW_GOAL, PITCH_GOAL, ROLL_GOAL, BASE, CLOSED, OPENED, BONE, STUCK, BLOCKED_MS, BUCKLED, COUNT, BUSY = range(15)


class Rod(NamedTuple):
    """One needle and one hand, as the kernel needs them."""

    length: float
    radius: float
    ei: float
    kick: float  # angle between the shaft and the cut, radians
    stiffness: float  # of the hand
    most_n: float  # of the hand
    step_mm: float  # most axial travel per ms
    contact: float  # penalty
    grip: float
    turn: int  # mdeg per ms of the bevel
    tilt: int  # mdeg per ms of the hub
    blocked_ms: int


# --- kernel ---------------------------------------------------------------------------------------


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


@jit
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


@jit
def path_to_hub(frame: F64, entry: F64, path: F64, count: int, local: F64) -> None:
    """Write the path in hub axes."""
    for i in range(count):
        local[i, 0], local[i, 1], local[i, 2] = to_hub(frame, entry, path[i, 0], path[i, 1], path[i, 2])


@jit
def assemble(rod: Rod, rows: F64, local: F64, label: I64, count: int, depth: float, thrust: float, z: F64, band: F64, rhs: F64) -> float:
    """Write the matrix and load of the shaft at a depth on its cut path; return the friction (N) along it.

    local: path in hub axes; z: axial coordinates of the nodes from the hub. Thrust falls along the inserted part.
    """
    nodes = z.shape[0]
    h = rod.length / (nodes - 1)
    band[:] = 0.0
    rhs[:] = 0.0
    skin = rod.length - depth
    friction = 0.0
    j = 0
    for e in range(nodes - 1):
        mid = 0.5 * (z[e] + z[e + 1]) - skin
        share = 1.0 if mid <= 0.0 or depth <= 0.0 else max(0.0, 1.0 - mid / depth)
        add_element(band, e, h, rod.ei, thrust * share)
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


@jit
def move_nodes(f: Fields, radius: float, frame: F64, entry: F64, w: F64, z: F64, skin: float, pos: F64, room: F64, watched: bool) -> tuple[float, int]:
    """Write the positions of the nodes and how much room (mm) each has to bone; return (least distance, bone).

    A node that had room enough is not measured again: room shrinks by at most the way it moved. With `watched`
    only nodes near bone are moved (a trial), otherwise all.
    """
    least, which = 1e3, -1
    for i in range(w.shape[0]):
        if watched and room[i] > WATCH_MM:
            continue
        x, y, zz = to_patient(frame, entry, w[i, 0], w[i, 2], z[i] - skin)
        room[i] -= 1.2 * (abs(x - pos[i, 0]) + abs(y - pos[i, 1]) + abs(zz - pos[i, 2]))
        pos[i, 0], pos[i, 1], pos[i, 2] = x, y, zz
        if room[i] <= WATCH_MM:
            d, b = bone_distance(f, x, y, zz)
            room[i] = d - radius
            if d < least:
                least, which = d, b
    return least, which


@jit
def gather(
    f: Fields, radius: float, frame: F64, w: F64, pos: F64, room: F64, stuck: bool, spot_x: float, spot_y: float,
    node: I64, nx: F64, ny: F64, rest: F64, both: NDArray[np.bool_],
) -> tuple[int, int]:
    """List the contacts to respect: nodes near bone (n . w >= rest), and the grip of a stuck tip in both planes.

    Returns (number, bone of the last). Normals are those of bone, seen across the hub axis; a node that meets
    bone head-on is no lateral contact.
    """
    last = w.shape[0] - 1
    m, which = 0, -1
    if stuck:
        for plane in range(2):
            node[m], both[m] = last, True
            nx[m], ny[m] = 1.0 - plane, 1.0 * plane
            rest[m] = spot_x if plane == 0 else spot_y
            m += 1
    for i in range(last, 0, -1):
        if room[i] > 0.5 or m >= MOST_CONTACTS or (stuck and i == last):
            continue
        _, b = bone_distance(f, pos[i, 0], pos[i, 1], pos[i, 2])
        gx, gy, gz = bone_normal(f, b, pos[i, 0], pos[i, 1], pos[i, 2])
        lx = gx * frame[0, 0] + gy * frame[1, 0] + gz * frame[2, 0]
        ly = gx * frame[0, 1] + gy * frame[1, 1] + gz * frame[2, 1]
        if lx * lx + ly * ly < 0.04:
            continue
        which = b
        node[m], nx[m], ny[m], both[m] = i, lx, ly, False
        rest[m] = lx * w[i, 0] + ly * w[i, 2] - room[i]
        m += 1
    return m, which


@jit
def press(
    rod: Rod, band: F64, rhs: F64, columns: F64, have: NDArray[np.bool_], node: I64, nx: F64, ny: F64, rest: F64,
    both: NDArray[np.bool_], m: int, w: F64,
) -> tuple[bool, float, float]:
    """Write the shape under the contact forces; return (settled, largest change mm, force on the tip N)."""
    nodes = w.shape[0]
    a = np.empty((m, m))
    r = np.empty(m)
    force = np.zeros(m)
    for c in range(m):
        if not have[node[c]]:
            influence(band, node[c], columns[node[c]])
            have[node[c]] = True
    for c in range(m):
        r[c] = rest[c] - nx[c] * rhs[2 * node[c], 0] - ny[c] * rhs[2 * node[c], 1]
        for k in range(m):
            a[c, k] = (nx[c] * nx[k] + ny[c] * ny[k]) * columns[node[k], 2 * node[c]]
        a[c, c] += 1.0 / rod.contact
    settled = contact_forces(a, r, both, m, force)
    change, tip_force = 0.0, 0.0
    for c in range(m):
        if node[c] == nodes - 1:
            tip_force += abs(force[c])
    for i in range(nodes):
        wx, tx, wy, ty = rhs[2 * i, 0], rhs[2 * i + 1, 0], rhs[2 * i, 1], rhs[2 * i + 1, 1]
        for c in range(m):
            u, v = columns[node[c], 2 * i] * force[c], columns[node[c], 2 * i + 1] * force[c]
            wx += nx[c] * u
            wy += ny[c] * u
            tx += nx[c] * v
            ty += ny[c] * v
        change = max(change, abs(wx - w[i, 0]), abs(wy - w[i, 2]))
        w[i, 0], w[i, 1], w[i, 2], w[i, 3] = wx, tx, wy, ty
    return settled, change, tip_force


@jit
def bend(
    f: Fields, rod: Rod, rows: F64, frame: F64, entry: F64, local: F64, label: I64, count: int, depth: float, thrust: float,
    stuck: bool, stuck_mm: F64, w: F64, z: F64, pos: F64, room: F64, band: F64, rhs: F64, columns: F64,
) -> tuple[bool, float, float, int]:
    """Find the shape of the shaft. w, z, pos: in the last shape, out the new one; room (mm to bone) likewise.

    Returns (accepted, friction N, force of bone on the tip N, bone met last). A shape with a node in bone is
    not accepted.
    """
    nodes = w.shape[0]
    h = rod.length / (nodes - 1)
    skin = rod.length - depth
    friction = assemble(rod, rows, local, label, count, depth, thrust, z, band, rhs)
    tries = 0
    while not factorise(band):
        tries += 1
        if tries > 6:
            return False, friction, 0.0, -1
        thrust = 0.5 * thrust if tries < 6 else 0.0
        assemble(rod, rows, local, label, count, depth, thrust, z, band, rhs)
    substitute(band, rhs)
    near = stuck
    for i in range(nodes):
        near = near or room[i] <= WATCH_MM
    tip_force, met = 0.0, -1
    settled = True
    if near:
        node = np.empty(MOST_CONTACTS, np.int64)
        nx = np.empty(MOST_CONTACTS)
        ny = np.empty(MOST_CONTACTS)
        rest = np.empty(MOST_CONTACTS)
        both = np.zeros(MOST_CONTACTS, np.bool_)
        have = np.zeros(nodes, np.bool_)
        spot_x, spot_y, _ = to_hub(frame, entry, stuck_mm[0], stuck_mm[1], stuck_mm[2])
        for _p in range(5):
            move_nodes(f, rod.radius, frame, entry, w, z, skin, pos, room, True)
            m, b = gather(f, rod.radius, frame, w, pos, room, stuck, spot_x, spot_y, node, nx, ny, rest, both)
            met = b if b >= 0 else met
            settled, change, tip_force = press(rod, band, rhs, columns, have, node, nx, ny, rest, both, m, w)
            axial_positions(w, h, z)
            if not settled or change < 0.002:
                break
    else:
        for i in range(nodes):
            w[i, 0], w[i, 1], w[i, 2], w[i, 3] = rhs[2 * i, 0], rhs[2 * i + 1, 0], rhs[2 * i, 1], rhs[2 * i + 1, 1]
        axial_positions(w, h, z)
    least, b = move_nodes(f, rod.radius, frame, entry, w, z, skin, pos, room, False)
    if least < -DEEPEST_IN_BONE_MM:
        return False, friction, tip_force, b
    return settled, friction, tip_force, met


@jit
def add_point(frame: F64, entry: F64, end: F64, tip: F64, path: F64, local: F64, trail: F64, label: I64, count: int, tissue: int) -> int:
    """Move the live end of the path to `end` (hub axes), or add a point once the last piece is PATH_STEP_MM long.

    label[j] is the tissue of the piece j -> j + 1, trail[j] where the tip was. Returns the number of points.
    """
    fixed = count < 2 or label[count - 2] != tissue or label[count - 1] < 0
    if not fixed:
        j = count - 2
        dx, dy, dz = local[j + 1, 0] - local[j, 0], local[j + 1, 1] - local[j, 1], local[j + 1, 2] - local[j, 2]
        fixed = dx * dx + dy * dy + dz * dz >= PATH_STEP_MM * PATH_STEP_MM
    if fixed and count < path.shape[0]:
        label[count - 1] = tissue
        count += 1
    j = count - 1
    local[j, 0], local[j, 1], local[j, 2] = end[0], end[1], end[2]
    trail[j, 0], trail[j, 1], trail[j, 2] = tip[0], tip[1], tip[2]
    label[j] = tissue
    path[j, 0], path[j, 1], path[j, 2] = to_patient(frame, entry, end[0], end[1], end[2])
    return count


@jit
def left_track(radius: float, frame: F64, entry: F64, x: float, y: float, z: float, local: F64, trail: F64, count: int) -> int:
    """Return how many points of the path to keep: all, or those behind the tip if it has left its former track.

    (x, y, z): tip in hub axes. It has left when it is further than the radius of the shaft from where the tip
    was when it cut this depth.
    """
    j = count - 2
    while j > 0 and local[j, 2] > z:
        j -= 1
    span = local[j + 1, 2] - local[j, 2]
    s = min(max((z - local[j, 2]) / span, 0.0), 1.0) if span > 1e-9 else 1.0
    ax, ay, _a = to_hub(frame, entry, trail[j, 0], trail[j, 1], trail[j, 2])
    bx, by, _b = to_hub(frame, entry, trail[j + 1, 0], trail[j + 1, 1], trail[j + 1, 2])
    dx, dy = x - ax - s * (bx - ax), y - ay - s * (by - ay)
    if dx * dx + dy * dy <= radius * radius or z - local[j, 2] < 1e-6:
        return count
    return j + 1


@jit
def cut_path(
    rod: Rod, frame: F64, entry: F64, roll: int, w: F64, tip_z: float, tip: F64, touching: bool, advancing: bool,
    path: F64, local: F64, trail: F64, label: I64, count: int, tissue: int,
) -> int:
    """Cut on from the end of the path if the tip has passed it; begin a new one where the tip left its track.

    The cut goes along tip slope + bevel angle, over the axial travel of the tip. A tip held by bone cuts where
    it is.
    """
    last = w.shape[0] - 1
    end = np.empty(3)
    end[0], end[1], end[2] = w[last, 0], w[last, 2], tip_z
    beyond = tip_z - local[count - 1, 2]
    if beyond < -1e-9:
        if not advancing or count < 2:
            return count
        keep = left_track(rod.radius, frame, entry, w[last, 0], w[last, 2], tip_z, local, trail, count)
        if keep == count:
            return count
        label[keep - 1] = -1  # a new piece begins here
        return add_point(frame, entry, end, tip, path, local, trail, label, keep, tissue)
    if beyond <= 1e-9:
        return count
    if not touching:
        s, c = sincos_mdeg(roll)
        end[0] = local[count - 1, 0] + beyond * (w[last, 1] + rod.kick * c)
        end[1] = local[count - 1, 1] + beyond * (w[last, 3] + rod.kick * s)
    return add_point(frame, entry, end, tip, path, local, trail, label, count, tissue)


@jit
def approach(value: int, goal: int, step: int) -> int:
    """Return value moved towards goal by at most step."""
    if value < goal:
        return min(goal, value + step)
    return max(goal, value - step)


@jit
def follow(
    f: Fields, rod: Rod, rows: F64, s: F64, m: I64, frame: F64, w: F64, tip: F64, tip_room: float, fresh: bool, inside: I64, log: F64, count: int,
) -> tuple[float, bool, int]:
    """Decide how far the needle follows the hand in this millisecond: friction, cut, membrane, bone.

    Returns (axial travel, held by bone, log rows).
    """
    last = w.shape[0] - 1
    tissue = tissue_of(f, inside, m[BASE])
    front = rows[tissue, CUT] if fresh else 0.0
    k = rod.stiffness
    most = rod.most_n
    free = rod.length - s[DEPTH]
    reach = min(free, rod.grip)
    euler = FIXED_PINNED * rod.ei / max(reach * reach, 1.0)
    if m[CLOSED] != NO_MEMBRANE and not fresh:
        m[CLOSED] = NO_MEMBRANE
    if m[CLOSED] != NO_MEMBRANE:
        row = membrane_row(f, m[CLOSED])
        k = 1.0 / (1.0 / k + 1.0 / rows[row, MEMBRANE])
        force = k * (s[ASKED] - s[DEPTH])
        if force - s[FRICTION_N] > rows[row, PUNCTURE]:
            count = note(log, count, LOG_POP, m[CLOSED], 0, tip[0], tip[1], tip[2], s[DEPTH], force)
            m[OPENED] = m[CLOSED]
            s[OPENED_MM] = s[DEPTH]
            m[CLOSED] = NO_MEMBRANE
            k = rod.stiffness
        elif force > -s[FRICTION_N]:
            s[FORCE] = force
            return 0.0, False, count
    bound = min(most, euler)
    force = k * (s[ASKED] - s[DEPTH])
    if force > bound:
        if euler < most and m[BUCKLED] == 0 and m[BONE] >= 0:
            m[BUCKLED] = 1
            count = note(log, count, LOG_BUCKLE, 0, 0, tip[0], tip[1], tip[2], s[DEPTH], bound)
        s[ASKED] = s[DEPTH] + bound / k
        force = bound
    s[FORCE] = force
    dq = advance_of(s[ASKED], s[DEPTH], k, s[FRICTION_N], front)
    dq = min(max(dq, -rod.step_mm), rod.step_mm)
    if dq <= 0.0:
        return max(dq, -s[DEPTH]), False, count
    sr, cr = sincos_mdeg(m[ROLL])
    ux, uy = w[last, 1], w[last, 3]
    if fresh:
        ux += rod.kick * cr
        uy += rod.kick * sr
    d = np.empty(3)
    for c in range(3):
        d[c] = frame[c, 0] * ux + frame[c, 1] * uy + frame[c, 2]
    if tip_room < 0.5:
        gap, b = bone_distance(f, tip[0], tip[1], tip[2])
        gap -= rod.radius
        nx, ny, nz = bone_normal(f, b, tip[0], tip[1], tip[2])
        nz_hub = nx * frame[0, 2] + ny * frame[1, 2] + nz * frame[2, 2]
        into = -(nx * d[0] + ny * d[1] + nz * d[2])
        if nz_hub < STEEP and into > 0.0:
            if dq * into >= gap:
                dq = max(0.0, gap / into)
                if m[BONE] < 0:
                    count = note(log, count, LOG_BONE, b, 0, tip[0], tip[1], tip[2], s[DEPTH], force)
                m[BONE] = b
                if dq < 1e-4:
                    return 0.0, True, count
    if fresh:
        q = np.empty(3)
        for c in range(3):
            q[c] = tip[c] + dq * d[c]
        opened = m[OPENED]
        if opened < TUBE and abs(s[DEPTH] - s[OPENED_MM]) > SAME_MEMBRANE_MM:
            opened = NO_MEMBRANE
        where, which = membrane_ahead(f, rows, inside, m[BASE], tip, q, opened)
        if which != NO_MEMBRANE:
            m[CLOSED] = which
            dq = max(0.0, where * dq - 1e-6)
    return dq, False, count


@jit
def tick(
    f: Fields, rod: Rod, rows: F64, entry: F64, s: F64, m: I64, w: F64, path: F64, trail: F64, label: I64, inside: I64, deepest: F64,
    stuck_mm: F64, pos: F64, direction: F64, log: F64, milliseconds: int,
) -> int:
    """Advance the needle by some milliseconds, in place; return the number of log rows, -1 if a number is not finite."""
    nodes = w.shape[0]
    last = nodes - 1
    h = rod.length / last
    frame = np.empty((3, 3))
    local = np.empty(path.shape)
    z = np.empty(nodes)
    room = np.empty(nodes)
    w2 = np.empty(w.shape)
    z2 = np.empty(nodes)
    pos2 = np.empty(pos.shape)
    room2 = np.empty(nodes)
    band = np.empty((2 * nodes, 4))
    rhs = np.empty((2 * nodes, 2))
    columns = np.empty((nodes, 2 * nodes))
    tip = np.empty(3)
    count = 0
    set_frame(frame, m[YAW], m[PITCH])
    path_to_hub(frame, entry, path, m[COUNT], local)
    axial_positions(w, h, z)
    for i in range(nodes):
        inserted = z[i] - (rod.length - s[DEPTH])
        room[i] = 1e9 if inserted < -5.0 else -1.0
    tilts = m[YAW] != m[YAW_GOAL] or m[PITCH] != m[PITCH_GOAL]
    if tilts:
        room[:] = -1.0
    m[BUSY] = 0
    for _ in range(milliseconds):
        # the hand
        s[ASKED] = _towards(s[ASKED], s[GOAL], s[SPEED] * 0.001)
        m[ROLL] = approach(m[ROLL], m[ROLL_GOAL], rod.turn)
        yaw, pitch = approach(m[YAW], m[YAW_GOAL], rod.tilt), approach(m[PITCH], m[PITCH_GOAL], rod.tilt)
        tilting = yaw != m[YAW] or pitch != m[PITCH]
        tip[0], tip[1], tip[2] = pos[last, 0], pos[last, 1], pos[last, 2]
        fresh = z[last] - (rod.length - s[DEPTH]) >= local[m[COUNT] - 1, 2] - 1e-3
        dq, held, count = follow(f, rod, rows, s, m, frame, w, tip, room[last], fresh, inside, log, count)
        if held and m[STUCK] == 0:
            m[STUCK] = 1
            stuck_mm[:] = tip
        if dq < -1e-9 and m[STUCK] == 1:
            m[STUCK] = 0
        if s[ASKED] != s[GOAL] or tilting or abs(dq) > 1e-7:
            m[BUSY] = 1
        if held:
            m[BLOCKED_MS] += 1
        if dq == 0.0 and not tilting:
            continue
        # the shaft
        if tilting:
            set_frame(frame, yaw, pitch)
            path_to_hub(frame, entry, path, m[COUNT], local)
        depth = s[DEPTH] + dq
        free = max(rod.length - depth, 10.0)
        most = SOFTENING_SHARE * PI2 * rod.ei / (4.0 * free * free)
        thrust = min(max(s[FORCE], -rod.most_n), most)
        w2[:] = w
        z2[:] = z
        pos2[:] = pos
        room2[:] = room
        accepted, friction, tip_force, bone = bend(
            f, rod, rows, frame, entry, local, label, m[COUNT], depth, thrust, m[STUCK] == 1, stuck_mm, w2, z2, pos2, room2, band, rhs, columns
        )
        if not (abs(w2[last, 0]) < 1e6 and abs(w2[last, 2]) < 1e6):
            return -1
        if not accepted and (tilting or dq > 0.0):
            m[BLOCKED_MS] += 1
            m[BUSY] = 1
            if tilting:
                set_frame(frame, m[YAW], m[PITCH])
                path_to_hub(frame, entry, path, m[COUNT], local)
            continue
        m[YAW], m[PITCH] = yaw, pitch
        if tilting or dq != 0.0:
            m[BLOCKED_MS] = 0
        if m[STUCK] == 1 and tip_force > 1.7 * max(s[FORCE], 0.0) + 0.5:
            m[STUCK] = 0
        w[:] = w2
        z[:] = z2
        pos[:] = pos2
        room[:] = room2
        s[DEPTH] = depth
        s[FRICTION_N] = friction
        # the tip
        touching = tip_force > 0.0 or m[STUCK] == 1
        if touching and m[BONE] < 0 and bone >= 0 and room[last] < 0.1:
            m[BONE] = bone
            count = note(log, count, LOG_BONE, bone, 0, pos[last, 0], pos[last, 1], pos[last, 2], depth, s[FORCE])
        elif m[BONE] >= 0 and room[last] > 0.3:
            m[BONE] = -1
        tissue = tissue_of(f, inside, m[BASE])
        opened = m[OPENED]
        if opened < TUBE and abs(depth - s[OPENED_MM]) > SAME_MEMBRANE_MM:
            opened = NO_MEMBRANE
        base, popped, count = travel(
            f, rows, inside, deepest, tip, pos[last], depth, m[BASE], opened, fresh and dq > 0.0, s[FORCE], s[SPEED], log, count
        )
        m[BASE] = base
        if popped != opened:
            m[OPENED] = popped
            s[OPENED_MM] = depth
        m[COUNT] = cut_path(
            rod, frame, entry, m[ROLL], w, z[last] - (rod.length - depth), pos[last], touching, dq > 0.0,
            path, local, trail, label, m[COUNT], tissue,
        )
        if depth <= 1e-9 and m[BASE] != AIR:
            m[BASE] = AIR
            count = note(log, count, LOG_TISSUE, AIR, SKIN, pos[last, 0], pos[last, 1], pos[last, 2], depth, 0.0)
    ux, uy = w[last, 1], w[last, 3]
    norm = np.sqrt(1.0 + ux * ux + uy * uy)
    for c in range(3):
        direction[c] = (frame[c, 0] * ux + frame[c, 1] * uy + frame[c, 2]) / norm
    return count


@jit
def _towards(value: float, goal: float, step: float) -> float:
    if value < goal:
        return min(goal, value + step)
    return max(goal, value - step)


# --- the engine -----------------------------------------------------------------------------------

MEMBRANE_NAMES = {
    int(Tissue.SKIN): "skin",
    int(Tissue.FASCIA): "fascia",
    int(Tissue.INTERSPINOUS_LIGAMENT): "interspinous_ligament",
    int(Tissue.LIGAMENTUM_FLAVUM): "ligamentum_flavum",
    int(Tissue.DISC_ANNULUS): "annulus",
}


def begin(study: Study) -> NeedleState:
    """Return the needle before one is chosen."""
    return NeedleState()


def advance(study: Study, state: State, command: Command) -> tuple[NeedleState, list[Event]]:
    """Obey a needle command, then move the needle for one tick. A needle at rest returns the same state."""
    me = state.needle
    events: list[Event] = []
    act = _ACTIONS.get(command.op)
    if act is not None:
        me = act(study, state, me, command.args, events)
    if me.moving:
        me = _move(study, state.tick, me, events)
    return me, events


def shape_of(study: Study, needle: NeedleState) -> Needle:
    """Return the tool in use (needle.needle must not be -1)."""
    return study.toolbox.needles[needle.needle]


@lru_cache(maxsize=64)
def _rod(tool: Needle, hand: tuple[float, ...]) -> Rod:
    stiffness, most, step, contact, grip, turn, tilt, blocked = hand
    return Rod(
        length=tool.length_mm,
        radius=0.5 * tool.outer_diameter_mm,
        ei=bending_stiffness(tool.outer_diameter_mm, tool.inner_diameter_mm, tool.young_gpa),
        kick=(tool.alpha_mrad + tool.bend_mrad) * 0.001,
        stiffness=stiffness,
        most_n=most,
        step_mm=step,
        contact=contact,
        grip=grip,
        turn=int(turn) // 1000,
        tilt=int(tilt) // 1000,
        blocked_ms=int(blocked),
    )


_HAND = (
    "hand_stiffness_n_per_mm", "hand_max_n", "step_limit_mm", "contact_n_per_mm", "grip_mm", "turn_rate_mdeg_s", "tilt_rate_mdeg_s", "blocked_ms",
)  # fmt: skip


def rod_of(toolbox: Toolbox, tool: Needle) -> Rod:
    """Return a needle in the hand, as the kernel needs it."""
    return _rod(tool, tuple(toolbox.constant(f"needle.{name}") for name in _HAND))


REFERENCE_MM = 0.718
"""Outer diameter (22G) for which the forces of tissues.toml hold; they scale with the diameter (placeholder)."""


def rows_of(toolbox: Toolbox, tool: Needle) -> F64:
    """Return the tissue table (label, 5): foundation N/mm2, cut N, friction N/mm, puncture N, membrane N/mm."""
    return _rows(toolbox.tissues, tool.outer_diameter_mm)


@lru_cache(maxsize=64)
def _rows(tissues: tuple[Any, ...], outer_mm: float) -> F64:
    scale = outer_mm / REFERENCE_MM
    return np.array(
        [
            [
                t.foundation_n_per_m2 * 1e-6,
                t.cut_n * scale,
                t.friction_n_per_mm * scale,
                t.puncture_n * scale,
                t.membrane_n_per_mm * scale,
            ]
            for t in tissues
        ]
    )


# commands


def _refused(events: list[Event], tick: int, op: str, why: str) -> None:
    events.append(event(tick, "refused", op=op, why=why))


def _choose(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    needles = study.toolbox.needles
    if me.placed:
        _refused(events, state.tick, "needle.choose", "a needle is in the patient: remove it first")
        return me
    if args[0] >= len(needles):
        _refused(events, state.tick, "needle.choose", f"there are {len(needles)} needles")
        return me
    tool = needles[args[0]]
    events.append(event(state.tick, "needle_chosen", name=tool.name, gauge=tool.gauge))
    return NeedleState(needle=args[0], passes=me.passes)


def _place(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if me.needle < 0:
        _refused(events, state.tick, "needle.place", "no needle is chosen")
        return me
    x, z = args[0] / 1000.0, args[1] / 1000.0
    f = study.phantom.fields
    nx, nz = f.skin_y.shape
    if not (0.0 <= x - f.skin_x0 <= (nx - 1) * f.skin_step and 0.0 <= z - f.skin_z0 <= (nz - 1) * f.skin_step):
        _refused(events, state.tick, "needle.place", "there is no skin at this point")
        return me
    if me.placed:
        me = _remove(study, state, me, (), events)
    entry = np.array([x, float(skin_y(f, x, z)), z])
    yaw, pitch = args[2], args[3]
    length = study.toolbox.needles[me.needle].length_mm
    frame = np.empty((3, 3))
    set_frame(frame, yaw, pitch)
    nodes = np.empty((NODES, 3))
    for i in range(NODES):
        nodes[i] = to_patient(frame, entry, 0.0, 0.0, length * i / (NODES - 1) - length)
    events.append(event(state.tick, "needle_placed", yaw_mdeg=yaw, pitch_mdeg=pitch, x_um=um(entry[0]), y_um=um(entry[1]), z_um=um(entry[2])))
    return NeedleState(
        needle=me.needle, placed=True, entry_mm=entry, yaw_mdeg=yaw, pitch_mdeg=pitch, yaw_target_mdeg=yaw, pitch_target_mdeg=pitch,
        tip_mm=entry, tip_direction=frame[:, 2].copy(), nodes_mm=nodes, path_mm=entry[None, :].copy(), trail_mm=entry[None, :].copy(), path_label=np.zeros(1, np.int64),
        membrane=SKIN, armed=True, passes=me.passes, stylet=me.stylet,
    )  # fmt: skip


def _tilt(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if not me.placed:
        _refused(events, state.tick, "needle.tilt", "the needle is not on the skin")
        return me
    return replace(me, yaw_target_mdeg=args[0], pitch_target_mdeg=args[1], moving=True, blocked_ms=0)


def _advance(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if not me.placed:
        _refused(events, state.tick, "needle.move", "the needle is not on the skin")
        return me
    goal = min(max(me.asked_mm + args[0] / 1000.0, 0.0), shape_of(study, me).length_mm)
    return replace(me, goal_mm=goal, speed_mm_s=args[1] / 1000.0, moving=True, blocked_ms=0, buckled=False)


def _turn(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if not me.placed:
        _refused(events, state.tick, "needle.turn", "the needle is not on the skin")
        return me
    return replace(me, roll_target_mdeg=me.roll_target_mdeg + args[0], moving=True)


def _stylet(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if me.needle < 0:
        _refused(events, state.tick, "needle.stylet", "no needle is chosen")
        return me
    inserted = args[0] == 1
    if inserted == me.stylet:
        return me
    events.append(event(state.tick, "stylet", inserted=inserted))
    return replace(me, stylet=inserted)


def _remove(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if not me.placed:
        _refused(events, state.tick, "needle.remove", "there is no needle in the patient")
        return me
    for place, t in enumerate(me.inside):
        events.append(_left(study, state.tick, t, me.inside_deepest[place], state.tick - me.inside_since[place]))
    events.append(event(state.tick, "needle_removed", passes=me.passes))
    return NeedleState(needle=me.needle, passes=me.passes, stylet=me.stylet)


_Action = Callable[[Study, State, NeedleState, tuple[int, ...], list[Event]], NeedleState]
_ACTIONS: dict[str, _Action] = {
    "needle.choose": _choose,
    "needle.place": _place,
    "needle.tilt": _tilt,
    "needle.move": _advance,
    "needle.turn": _turn,
    "needle.stylet": _stylet,
    "needle.remove": _remove,
}


# motion


def _move(study: Study, now: int, me: NeedleState, events: list[Event]) -> NeedleState:
    """Run the kernel for one tick and turn its log into events."""
    f = study.phantom.fields
    tool = shape_of(study, me)
    rod = rod_of(study.toolbox, tool)
    s = np.array([me.asked_mm, me.goal_mm, me.speed_mm_s, me.depth_mm, me.force_n, me.friction_n, me.opened_mm, 0.0])
    m = np.array(
        [
            me.yaw_mdeg, me.pitch_mdeg, me.roll_mdeg, me.yaw_target_mdeg, me.pitch_target_mdeg, me.roll_target_mdeg,
            me.base, me.membrane, me.opened, me.bone, int(me.stuck), me.blocked_ms, int(me.buckled), len(me.path_mm), 0,
        ],
        np.int64,
    )  # fmt: skip
    count = len(me.path_mm)
    path = np.empty((count + 4 * MS_PER_TICK, 3))
    path[:count] = me.path_mm
    trail = np.empty(path.shape)
    trail[:count] = me.trail_mm
    label = np.zeros(len(path), np.int64)
    label[:count] = me.path_label
    inside = np.zeros(len(study.phantom.tubes), np.int64)
    deepest = np.zeros(len(study.phantom.tubes))
    for place, t in enumerate(me.inside):
        inside[t] = 1
        deepest[t] = me.inside_deepest[place]
    w, pos = me.shape.copy(), me.nodes_mm.copy()
    stuck_mm, direction = me.stuck_mm.copy(), np.empty(3)
    log = np.empty((LOG_ROWS, LOG_WIDTH))
    logged = tick(f, rod, rows_of(study.toolbox, tool), me.entry_mm, s, m, w, path, trail, label, inside, deepest, stuck_mm, pos, direction, log, MS_PER_TICK)
    if logged < 0:
        raise NumericalFault(f"needle: the shape of the shaft is not finite at tick {now}")
    held = tuple(int(t) for t in np.flatnonzero(inside))
    since = dict(zip(me.inside, me.inside_since, strict=True))
    _tell(study, now, log[:logged], float(s[SPEED]), since, events)
    depth = float(s[DEPTH])
    passes, armed, peak = _count_pass(study, me, depth)
    new = replace(
        me,
        yaw_mdeg=int(m[YAW]), pitch_mdeg=int(m[PITCH]), roll_mdeg=int(m[ROLL]),
        asked_mm=float(s[ASKED]), depth_mm=depth, tip_mm=pos[-1].copy(), tip_direction=direction, nodes_mm=pos, shape=w,
        path_mm=path[: m[COUNT]].copy(), trail_mm=trail[: m[COUNT]].copy(), path_label=label[: m[COUNT]].copy(),
        tissue=int(tissue_of(f, inside, int(m[BASE]))), base=int(m[BASE]),
        membrane=int(m[CLOSED]), opened=int(m[OPENED]), opened_mm=float(s[OPENED_MM]), bone=int(m[BONE]),
        stuck=bool(m[STUCK]), stuck_mm=stuck_mm, blocked_ms=int(m[BLOCKED_MS]), buckled=bool(m[BUCKLED]),
        force_n=float(s[FORCE]), friction_n=float(s[FRICTION_N]),
        inside=held, inside_since=tuple(since.get(t, now) for t in held), inside_deepest=tuple(float(deepest[t]) for t in held),
        passes=passes, armed=armed, peak_mm=peak,
    )  # fmt: skip
    return _settle(study, now, new, bool(m[BUSY]), rod, events)


def _count_pass(study: Study, me: NeedleState, depth: float) -> tuple[int, bool, float]:
    """Return (passes, armed, peak): an advance of a needle that is armed is a new pass."""
    if me.armed and depth > me.depth_mm + 1e-9:
        return me.passes + 1, False, depth
    peak = max(me.peak_mm, depth)
    armed = me.armed or peak - depth >= study.toolbox.constant("needle.pass_withdrawal_mm")
    return me.passes, armed, peak


def _settle(study: Study, now: int, me: NeedleState, busy: bool, rod: Rod, events: list[Event]) -> NeedleState:
    """Stop the hand when it has arrived or has been blocked long enough."""
    tilting = (me.yaw_mdeg, me.pitch_mdeg) != (me.yaw_target_mdeg, me.pitch_target_mdeg)
    if me.blocked_ms >= rod.blocked_ms:
        me = replace(
            me, goal_mm=me.depth_mm, asked_mm=me.depth_mm, yaw_target_mdeg=me.yaw_mdeg, pitch_target_mdeg=me.pitch_mdeg,
            roll_target_mdeg=me.roll_mdeg, speed_mm_s=0.0, force_n=0.0, blocked_ms=0, moving=False,
        )  # fmt: skip
        events.append(event(now, "needle_stopped", reason="bone", **tip_facts(study, me)))
        return me
    if busy or tilting or me.roll_mdeg != me.roll_target_mdeg:
        return me
    reason = "reached" if me.speed_mm_s > 0.0 else "held"
    events.append(event(now, "needle_stopped", reason=reason, **tip_facts(study, me)))
    return replace(me, speed_mm_s=0.0, moving=False, blocked_ms=0)


def _tell(study: Study, now: int, log: F64, speed: float, since: dict[int, int], events: list[Event]) -> None:
    """Turn the rows of the kernel's log into events."""
    for row in log:
        kind, index, origin = int(row[0]), int(row[1]), int(row[2])
        depth, extra = float(row[6]), float(row[7])
        tip = facts_at(study.plan, row[3:6], index if kind == LOG_TISSUE else 0, depth)
        if kind == LOG_TISSUE:
            events.append(event(now, "tissue_entered", from_tissue=TISSUE_NAME[origin], **tip))
        elif kind == LOG_POP:
            events.append(event(now, "popped", membrane=_membrane_name(study, index), depth_um=um(depth)))
        elif kind == LOG_BUCKLE:
            events.append(event(now, "buckling", force_mn=um(extra)))
        elif kind == LOG_BONE:
            tip["tissue"] = TISSUE_NAME[Tissue.BONE_CORTEX]
            events.append(event(now, "bone_contact", bone=study.phantom.bones[index].name, force_mn=um(extra), **tip))
        elif kind == LOG_IN:
            tube = study.phantom.tubes[index]
            since[index] = now
            tip["tissue"] = _tube_tissue_name(tube.kind)
            tip.update(level=tube.level or tip["level"], side=tube.side or tip["side"])  # its own level, if it has one
            tip.update(name=tube.name, kind=tube.kind.name.lower(), speed_um_s=um(extra))
            events.append(Event(now, "structure_entered", tip))
        elif kind == LOG_OUT:
            events.append(_left(study, now, index, extra, now - since.pop(index, now)))


def _left(study: Study, now: int, index: int, deepest_mm: float, ticks: int) -> Event:
    tube = study.phantom.tubes[index]
    told = {"name": tube.name, "kind": tube.kind.name.lower(), "deepest_um": um(deepest_mm), "ticks": ticks}
    return Event(now, "structure_left", told)


def _membrane_name(study: Study, membrane: int) -> str:
    if membrane >= TUBE:
        return "dura" if study.phantom.tubes[membrane - TUBE].kind is TubeKind.SAC else "vessel_wall"
    return MEMBRANE_NAMES.get(membrane, TISSUE_NAME[membrane].lower())


def _tube_tissue_name(kind: TubeKind) -> str:
    if kind is TubeKind.SAC:
        return TISSUE_NAME[Tissue.CSF]
    vessel = kind in (TubeKind.ARTERY, TubeKind.RADICULAR_ARTERY, TubeKind.VEIN)
    return TISSUE_NAME[Tissue.VESSEL if vessel else Tissue.NERVE]
