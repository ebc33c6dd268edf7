"""One tick of the needle in compiled code: hand, stick-slip, shape, cut, crossings, a millisecond at a time.

`s` and `m` hold the scalars that change (floats and integers, named below); everything is changed in place on
copies that sim.needle made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.bending import axial_positions
from sim.cut import cut_path, path_to_hub
from sim.fields import Fields, bone_distance, bone_normal, tissue_at
from sim.frames import sincos_mdeg
from sim.jit import inner, jit
from sim.puncture import (
    AIR,
    CANCELLOUS,
    CORTEX,
    LOG_BONE,
    LOG_BUCKLE,
    LOG_POP,
    LOG_TISSUE,
    NO_MEMBRANE,
    SAME_MEMBRANE_MM,
    SKIN,
    TUBE,
    advance_of,
    membrane_ahead,
    membrane_row,
    note,
    tissue_of,
    travel,
    tubes_near,
)
from sim.shaft import CUT, EVERYWHERE, MEMBRANE, PUNCTURE, Rod, bend, copied, drawn_back, move_places, set_frame, upright

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

PI2 = 9.869604401089358
FIXED_PINNED = 20.190728556426629
"""Euler load of a column held at one end and hinged at the other: 20.19 EI / l^2."""
SOFTENING_SHARE = 0.5
"""The thrust that softens the shaft is kept below this share of the Euler load of its free part (fixed-free)."""
STEEP = -0.5
"""A tip that meets bone with n.ez below this grips; above it slides."""
REACH_MM = 6.0
"""A tip moves less than this in a tick (0.2 mm per ms along the shaft, less across)."""
SHY_MM = 0.005
"""The tip stops this far before a membrane that has to tent first."""

# scalars of the kernel: floats ...
ASKED, GOAL, SPEED, DEPTH, FORCE, FRICTION_N, OPENED_MM, ENERGY, FEED, BORE_FROM, BORE_TO = range(11)
# ... and integers
YAW, PITCH, ROLL, YAW_GOAL, PITCH_GOAL, ROLL_GOAL, BASE, TISSUE = range(8)
CLOSED, OPENED, BONE, STUCK, BLOCKED_MS, BUCKLED, COUNT, BUSY, WHY, BORED, DRILL_MS = range(8, 19)
# why the needle does not follow
BY_BONE, BY_BEND = 1, 2
BEGUN, MOUTH = -2, -1
"""m[BORED]: 0 no hole, the tissue label in bone, or: on bone before the first blow, drawn back out of it."""
BORE_END_MM = 1e9
"""End of a hole in bone whose bottom is the tip."""


@inner
def approach(value: int, goal: int, step: int) -> int:
    """Return value moved towards goal by at most step."""
    if value < goal:
        return min(goal, value + step)
    return max(goal, value - step)


@inner
def tissue_here(f: Fields, near: I64, inside: I64, base: int, bored: int) -> int:
    """Return the tissue at the tip: in bone that it bored into, the bone, unless a tube of that bone holds it."""
    found = tissue_of(f, near, inside, base)
    return bored if bored > 0 and found == base else found


@inner
def driven(rod: Rod, rows: F64, s: F64, m: I64) -> float:
    """Return how far mallet or drill drives the tip through bone in this millisecond, and take the energy (N mm) for it.

    The force of bone is its cut at the tip and its grip on the side of the shaft. A drill clears its way: it moves at its feed.
    """
    deep = max(s[DEPTH] - s[BORE_FROM] - bore_margin(rod.radius), 0.0)
    row = m[BORED] if m[BORED] > 0 else CORTEX
    force = (rows[row, CUT] + rod.side_n_per_mm * deep) * rod.bone_factor
    way = 0.0
    if s[ENERGY] > 0.0:
        way = min(s[ENERGY] / force, rod.step_mm)
        s[ENERGY] -= way * force
        if s[ENERGY] < 1e-6:
            s[ENERGY] = 0.0
    elif m[DRILL_MS] > 0:
        m[DRILL_MS] -= 1
        way = min(s[FEED] * 0.001, rod.step_mm)
    return float(min(way, rod.length - s[DEPTH]))


@jit
def bore_margin(radius: float) -> float:
    """Return how far (mm) before the surface of bone a hole begins: there the shaft is nearer to bone than its radius."""
    return 2.0 * radius + 1.0


@inner
def in_bone(f: Fields, s: F64, m: I64, point: F64, inserted: float, fresh: bool) -> None:
    """Note the bone tissue in which the tip lies, or that it left its hole: backwards, or out on the other side."""
    d, _ = bone_distance(f, point[0], point[1], point[2])
    if d < 0.0:
        if m[BORED] != 0:
            label = tissue_at(f, point[0], point[1], point[2])
            m[BORED] = CANCELLOUS if label == CANCELLOUS else CORTEX
    elif inserted <= s[BORE_FROM] or (m[BORED] == BEGUN and d > 0.5):
        m[BORED], s[BORE_FROM], s[BORE_TO] = 0, BORE_END_MM, BORE_END_MM
    elif m[BORED] > 0 and fresh and d > 0.1:
        m[BORED] = 0
        s[BORE_TO] = inserted
    elif m[BORED] > 0 and not fresh:
        m[BORED] = MOUTH


@inner
def follow(
    f: Fields,
    rod: Rod,
    rows: F64,
    s: F64,
    m: I64,
    frame: F64,
    w: F64,
    tip: F64,
    tip_room: float,
    fresh: bool,
    near: I64,
    inside: I64,
    log: F64,
    count: int,
) -> tuple[float, bool, int]:
    """Decide how far the needle follows the hand in this millisecond: friction, cut, membrane, bone.

    Returns (axial travel, held by bone, log rows).
    """
    last = w.shape[0] - 1
    tissue = tissue_of(f, near, inside, m[BASE])
    front = rows[tissue, CUT] if fresh else 0.0
    k = rod.stiffness
    most = rod.most_n
    free = rod.length - s[DEPTH]
    reach = min(free, rod.held_mm if rod.held_mm > 0.0 else rod.grip)
    if rod.guide_mm > s[DEPTH]:
        reach = max(reach - (rod.guide_mm - s[DEPTH]), 0.0)
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
    if m[BORED] != 0 and fresh and (s[ASKED] >= s[DEPTH] or s[ENERGY] > 0.0 or m[DRILL_MS] > 0):
        dq = driven(rod, rows, s, m)
        s[ASKED] = min(max(s[ASKED], s[DEPTH] + dq), s[DEPTH] + dq + bound / k)
        s[GOAL] = max(s[GOAL], s[DEPTH] + dq)
        s[FORCE] = k * (s[ASKED] - s[DEPTH] - dq)
        return dq, dq == 0.0 and s[ASKED] > s[DEPTH] + 1e-6, count
    force = k * (s[ASKED] - s[DEPTH])
    if force > bound:
        force = bound
        if m[BONE] >= 0:  # nothing gives, so the hand does; after a pop the needle catches up instead
            s[ASKED] = s[DEPTH] + bound / k
            if euler < most and m[BUCKLED] == 0:
                m[BUCKLED] = 1
                count = note(log, count, LOG_BUCKLE, 0, 0, tip[0], tip[1], tip[2], s[DEPTH], bound)
    s[FORCE] = force
    dq = advance_of(s[ASKED], s[DEPTH], k, s[FRICTION_N], front)
    dq = min(max(dq, -rod.step_mm), rod.step_mm)
    if dq <= 0.0:
        return max(dq, -s[DEPTH]), False, count
    sr, cr = sincos_mdeg(m[ROLL])
    ux, uy = w[last, 1], w[last, 3]
    uz = upright(ux, uy)
    if fresh:
        ux += rod.kick * cr
        uy += rod.kick * sr
    d = np.empty(3)  # per mm along the hub axis
    for c in range(3):
        d[c] = (frame[c, 0] * ux + frame[c, 1] * uy) / uz + frame[c, 2]
    if tip_room < 0.5:
        gap, b = bone_distance(f, tip[0], tip[1], tip[2])
        gap -= rod.point
        nx, ny, nz = bone_normal(f, b, tip[0], tip[1], tip[2])
        nz_hub = nx * frame[0, 2] + ny * frame[1, 2] + nz * frame[2, 2]
        into = -(nx * d[0] + ny * d[1] + nz * d[2])
        if nz_hub < STEEP and into > 0.0 and dq * into >= gap:
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
        where, which = membrane_ahead(f, rows, near, inside, m[BASE], tip, q, opened)
        if which != NO_MEMBRANE:
            m[CLOSED] = which
            dq = max(0.0, where * dq - SHY_MM)
    return dq, False, count


@jit
def tick(
    f: Fields,
    rod: Rod,
    rows: F64,
    entry: F64,
    s: F64,
    m: I64,
    w: F64,
    path: F64,
    trail: F64,
    label: I64,
    inside: I64,
    deepest: F64,
    stuck_mm: F64,
    pos: F64,
    direction: F64,
    log: F64,
    milliseconds: int,
) -> int:
    """Advance the needle by some milliseconds, in place; return the number of log rows, -1 if a number is not finite."""
    nodes = w.shape[0]
    last = nodes - 1
    h = rod.length / last
    frame = np.empty((3, 3))
    local = np.empty(path.shape)
    z = np.empty(nodes)
    places = 2 * nodes - 1
    room = np.empty(places)
    at = np.empty((places, 3))
    w2 = np.empty(w.shape)
    z2 = np.empty(nodes)
    room2 = np.empty(places)
    at2 = np.empty((places, 3))
    bore = np.empty(2)
    band = np.empty((2 * nodes, 4))
    rhs = np.empty((2 * nodes, 2))
    columns = np.empty((places, 2 * nodes))
    tip = np.empty(3)
    end = np.empty(3)
    count = int(m[BUSY]) * 0  # no literal: `follow` would be compiled twice
    set_frame(frame, m[YAW], m[PITCH])
    path_to_hub(frame, entry, path, m[COUNT], local)
    axial_positions(w, h, z)
    tilts = m[YAW] != m[YAW_GOAL] or m[PITCH] != m[PITCH_GOAL]
    for p in range(places):
        inserted = z[p // 2] - (rod.length - s[DEPTH])
        room[p] = 1e9 if inserted < -5.0 and not tilts else -1.0
        for c in range(3):
            at[p, c] = pos[p // 2, c]
    bore[0], bore[1] = s[BORE_FROM], s[BORE_TO]
    move_places(f, rod, frame, entry, w, z, rod.length - s[DEPTH], bore, at, room, EVERYWHERE)
    tip[0], tip[1], tip[2] = at[2 * last, 0], at[2 * last, 1], at[2 * last, 2]
    near = tubes_near(f, inside, tip[0], tip[1], tip[2], REACH_MM)
    m[BUSY] = 0
    for _ in range(milliseconds):
        # the hand
        s[ASKED] = _towards(s[ASKED], s[GOAL], s[SPEED] * 0.001)
        turned = m[ROLL] != m[ROLL_GOAL] and rod.curl_mm > 0.0
        before = m[ROLL]
        m[ROLL] = approach(m[ROLL], m[ROLL_GOAL], rod.turn)
        yaw, pitch = approach(m[YAW], m[YAW_GOAL], rod.tilt), approach(m[PITCH], m[PITCH_GOAL], rod.tilt)
        tilting = yaw != m[YAW] or pitch != m[PITCH]
        tip[0], tip[1], tip[2] = at[2 * last, 0], at[2 * last, 1], at[2 * last, 2]
        fresh = z[last] - (rod.length - s[DEPTH]) >= local[m[COUNT] - 1, 2] - 1e-3
        dq, held, count = follow(f, rod, rows, s, m, frame, w, tip, room[2 * last], fresh, near, inside, log, count)
        if held and m[STUCK] == 0:
            m[STUCK] = 1
            stuck_mm[0], stuck_mm[1], stuck_mm[2] = tip[0], tip[1], tip[2]
        if (dq < -1e-9 or m[BORED] != 0) and m[STUCK] == 1:
            m[STUCK] = 0
        bore[0], bore[1] = s[BORE_FROM], s[BORE_TO]
        if m[BORED] == 0 or not fresh:
            s[ENERGY], m[DRILL_MS] = 0.0, 0
        if s[ENERGY] > 0.0 or m[DRILL_MS] > 0:
            m[BUSY] = 1
        if (s[ASKED] != s[GOAL] and s[SPEED] > 0.0) or tilting or abs(dq) > 1e-7:
            m[BUSY] = 1
        if held:
            m[BLOCKED_MS] += 1
            m[WHY] = BY_BONE
        if dq == 0.0 and not tilting and not turned:
            continue
        # the shaft
        if tilting:
            set_frame(frame, yaw, pitch)
            path_to_hub(frame, entry, path, m[COUNT], local)
        depth = s[DEPTH] + dq
        free = max(rod.length - depth, 10.0)
        most = SOFTENING_SHARE * PI2 * rod.ei / (4.0 * free * free)
        thrust = min(max(s[FORCE], -rod.most_n), most)
        accepted, friction, tip_force, bone = False, 0.0, 0.0, -1
        for grip in range(2):  # a tip that would jump into bone when it lets go grips on
            if grip == 1:
                if accepted or bone < 0 or m[BONE] < 0 or m[STUCK] == 1:
                    break
                m[STUCK] = 1
                stuck_mm[0], stuck_mm[1], stuck_mm[2] = tip[0], tip[1], tip[2]
            copied(w2, w)
            copied(at2, at)
            for i in range(nodes):
                z2[i] = z[i]
            for p in range(places):
                room2[p] = room[p]
            accepted, friction, tip_force, bone = bend(
                f,
                rod,
                rows,
                frame,
                entry,
                local,
                label,
                m[COUNT],
                depth,
                thrust,
                m[ROLL],
                bore,
                m[STUCK] == 1,
                stuck_mm,
                w2,
                z2,
                at2,
                room2,
                band,
                rhs,
                columns,
            )
        if not (abs(w2[last, 0]) < 1e6 and abs(w2[last, 2]) < 1e6):
            return -1
        if not accepted and (tilting or turned or dq > 0.0):
            m[BLOCKED_MS] += 1
            m[WHY] = BY_BONE if bone >= 0 else BY_BEND
            m[BUSY] = 1
            if turned:
                m[ROLL] = before
            if tilting:
                set_frame(frame, m[YAW], m[PITCH])
                path_to_hub(frame, entry, path, m[COUNT], local)
            continue
        if not accepted:  # drawn back past an edge that leaves no free shape: it slides out the way it came in
            drawn_back(w, h, dq, w2)
            copied(at2, at)
            for p in range(places):
                room2[p] = room[p]
            axial_positions(w2, h, z2)
            move_places(f, rod, frame, entry, w2, z2, rod.length - depth, bore, at2, room2, EVERYWHERE)
        m[YAW], m[PITCH] = yaw, pitch
        if tilting or dq != 0.0:
            m[BLOCKED_MS] = 0
        if m[STUCK] == 1 and tip_force > 1.7 * max(s[FORCE], 0.0) + 0.5:
            m[STUCK] = 0
        copied(w, w2)
        copied(at, at2)
        for i in range(nodes):
            z[i] = z2[i]
        for p in range(places):
            room[p] = room2[p]
        for c in range(3):
            end[c] = at[2 * last, c]
        s[DEPTH] = depth
        s[FRICTION_N] = friction
        # the tip
        touching = tip_force > 0.0 or m[STUCK] == 1
        if touching and m[BONE] < 0 and bone >= 0 and room[2 * last] < 0.1:
            m[BONE] = bone
            count = note(log, count, LOG_BONE, bone, 0, end[0], end[1], end[2], depth, s[FORCE])
        elif m[BONE] >= 0 and room[2 * last] > 0.3:
            m[BONE] = -1
        tissue = tissue_here(f, near, inside, m[BASE], m[BORED])
        opened = m[OPENED]
        if opened < TUBE and abs(depth - s[OPENED_MM]) > SAME_MEMBRANE_MM:
            opened = NO_MEMBRANE
        base, popped, count = travel(
            f,
            rows,
            near,
            inside,
            deepest,
            tip,
            end,
            depth,
            m[BASE],
            opened,
            fresh and dq > 0.0,
            s[FORCE],
            s[SPEED],
            log,
            count,
        )
        m[BASE] = base
        if popped != opened:
            m[CLOSED] = NO_MEMBRANE
            m[OPENED] = popped
            s[OPENED_MM] = depth
        if s[BORE_FROM] < BORE_END_MM:
            bored = max(m[BORED], 0)
            in_bone(f, s, m, end, z[last] - (rod.length - depth), fresh)
            if max(m[BORED], 0) != bored:
                now = tissue_here(f, near, inside, m[BASE], m[BORED])
                count = note(log, count, LOG_TISSUE, now, tissue, end[0], end[1], end[2], depth, 0.0)
                tissue = now
        m[COUNT] = cut_path(
            rod,
            frame,
            entry,
            m[ROLL],
            w,
            z[last] - (rod.length - depth),
            end,
            touching,
            dq > 0.0,
            path,
            local,
            trail,
            label,
            m[COUNT],
            tissue,
        )
        if depth <= 1e-3 and dq < 0.0 and m[BASE] != AIR:
            m[BASE] = AIR
            count = note(log, count, LOG_TISSUE, AIR, SKIN, end[0], end[1], end[2], depth, 0.0)
    for i in range(nodes):
        for c in range(3):
            pos[i, c] = at[2 * i, c]
    m[TISSUE] = tissue_here(f, near, inside, m[BASE], m[BORED])
    ux, uy = w[last, 1], w[last, 3]
    uz = upright(ux, uy)
    for c in range(3):
        direction[c] = frame[c, 0] * ux + frame[c, 1] * uy + frame[c, 2] * uz
    return count


@inner
def _towards(value: float, goal: float, step: float) -> float:
    if value < goal:
        return min(goal, value + step)
    return max(goal, value - step)
