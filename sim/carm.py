"""The C-arm: how it moves, when it radiates, with what technique, and what an exposure can be said to show.

Scored core: integers in the state, + - * / sqrt only. Automatic exposure follows nine rays through the label
volume, never a drawn picture (docs/IMAGING.md, "Exposure and dose").
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.clearance import touching
from sim.command import Command
from sim.event import Event, event
from sim.frames import Vec, dot, sincos_mdeg
from sim.jit import jit
from sim.phantom import Fields, tissue_at
from sim.scatter import spr_at
from sim.state import CArmState, State, Study
from sim.tools import CArm
from sim.view import Pose, View, pose_of

F64 = NDArray[np.float64]

TICK_MS = 10
START_CENTRE_UM = (0, 0, 40_000)
"""Where the machine stands at the beginning: over the lower lumbar spine, as an assistant leaves it."""
RAY_STEP_MM = 2.0
IRIS_ROWS = 200
CIRCLE = 3.141592653589793
AP_PRIMARY_MDEG, AP_SECONDARY_MDEG = 10_000, 20_000
LATERAL_MDEG = (75_000, 105_000)


def begin(study: Study) -> CArmState:
    """Return the machine straight above the patient's back, beam off."""
    return CArmState(centre_um=START_CENTRE_UM, centre_target_um=START_CENTRE_UM)


def advance(study: Study, state: State, command: Command) -> tuple[CArmState, list[Event]]:
    """Move, radiate and obey for one tick. Returns the same state when nothing changed."""
    me, events = _driven(study, state)
    me, more = _obey(study, state, me, command)
    if me.beam:
        me = _radiate(study, state, me)
    return me, events + more


def view(study: Study, state: State) -> View:
    """Return what a picture taken now would show."""
    me, needle = state.carm, state.needle
    fresh = me.last_picture_tick == state.tick and me.kvp_x10 > 0
    kvp_x10, mas_x1000 = (me.kvp_x10, me.mas_x1000) if fresh else technique(study, me)
    outer, inner, nodes = 0.0, 0.0, np.zeros((0, 3))
    if needle.placed and needle.needle >= 0:
        tool = study.toolbox.needles[needle.needle]
        outer, inner = tool.outer_diameter_mm, 0.0 if needle.stylet else tool.inner_diameter_mm
        nodes = needle.nodes_mm
    return View(
        pose=pose(study, me),
        half_width=me.half_width_permille / 1000.0,
        half_height=me.half_height_permille / 1000.0,
        kvp=kvp_x10 / 10.0,
        mas=mas_x1000 / 1000.0,
        needle_mm=nodes,
        needle_outer_mm=outer,
        needle_inner_mm=inner,
        contrast_points=_opaque(state),
        noise_key=(study.seed, me.pictures),
        live=me.beam != "",
        primary_mdeg=me.primary_mdeg,
        secondary_mdeg=me.secondary_mdeg,
        iris=me.iris_permille / 1000.0,
        breath_mm=np.array([0.0, 0.0, -_breath_mm(study, state)]),
    )


def _breath_mm(study: Study, state: State) -> float:
    """Return how far towards the feet the breath has moved diaphragm and bowel now (pictures only)."""
    phase = state.patient.breath_phase_permille * 360
    return study.toolbox.carm.breath_mm * 0.5 * (1.0 - sincos_mdeg(phase)[1])


def pose(study: Study, me: CArmState) -> Pose:
    """Return the geometry of the beam where the machine stands."""
    return pose_of(study.toolbox.carm, me.primary_mdeg, me.secondary_mdeg, me.centre_um, me.magnification)


# ---------------------------------------------------------------- motion


def _moved(carm: CArm, me: CArmState) -> CArmState:
    """Return the machine one tick nearer to where it was sent (each axis at its own full speed)."""
    at_angles = (me.primary_mdeg, me.secondary_mdeg) == (me.primary_target_mdeg, me.secondary_target_mdeg)
    if at_angles and me.centre_um == me.centre_target_um:
        return me
    turn = max(1, carm.angle_speed_mdeg_s * TICK_MS // 1000)
    slide = max(1, carm.slide_speed_um_s * TICK_MS // 1000)
    x, y, z = (_towards(now, goal, slide) for now, goal in zip(me.centre_um, me.centre_target_um, strict=True))
    return replace(
        me,
        primary_mdeg=_towards(me.primary_mdeg, me.primary_target_mdeg, turn),
        secondary_mdeg=_towards(me.secondary_mdeg, me.secondary_target_mdeg, turn),
        centre_um=(x, y, z),
    )


def _driven(study: Study, state: State) -> tuple[CArmState, list[Event]]:
    """Return the machine after one tick of motion; it stops where the next step would touch patient or table."""
    carm, before = study.toolbox.carm, state.carm
    me = _moved(carm, before)
    if me is before:
        return me, []
    hit = touching(carm, me, study.phantom.skin)
    if hit is None or touching(carm, before, study.phantom.skin) is not None:
        return me, []  # a machine that stands too near already may move: it has to get away
    stopped = replace(
        before,
        primary_target_mdeg=before.primary_mdeg,
        secondary_target_mdeg=before.secondary_mdeg,
        centre_target_um=before.centre_um,
    )
    fact = event(
        state.tick,
        "carm_stopped",
        part=hit[0],
        touches=hit[1],
        primary_mdeg=before.primary_mdeg,
        secondary_mdeg=before.secondary_mdeg,
        centre_um=list(before.centre_um),
    )
    return stopped, [fact]


def _towards(now: int, goal: int, most: int) -> int:
    return now + min(max(goal - now, -most), most)


# ---------------------------------------------------------------- commands


def _obey(study: Study, state: State, me: CArmState, command: Command) -> tuple[CArmState, list[Event]]:
    op, args, tick = command.op, command.args, state.tick
    if op == "idle":
        return me, []
    if op == "carm.to":
        return replace(me, primary_target_mdeg=args[0], secondary_target_mdeg=args[1]), []
    if op == "carm.centre":
        return replace(me, centre_target_um=(args[0], args[1], args[2])), []
    if op == "carm.collimate":
        return replace(me, half_width_permille=args[0], half_height_permille=args[1]), []
    if op == "carm.magnify":
        modes = len(study.toolbox.carm.detector_mm)
        return replace(me, magnification=min(args[0], modes - 1)), []
    if op == "carm.iris":
        return replace(me, iris_permille=args[0]), []
    if op == "carm.boost":
        return replace(me, boost=args[0] == 1), []
    if op == "carm.pulse_rate":
        return replace(me, pulses_per_10s=args[0]), []
    if op == "xray.shot":
        if me.beam:
            return me, [event(tick, "refused", op=op, why=f"the beam is already on ({me.beam})")]
        return _ended(study, state, _pulse(study, state, _begun(state, me, "shot")))
    if op in ("xray.pedal", "xray.dsa"):
        return _pedal(study, state, me, op, args[0] == 1)
    if op == "image.store":
        if me.pictures == 0:
            return me, [event(tick, "refused", op=op, why="there is no picture yet")]
        return me, [event(tick, "image_stored")]
    if op == "finish" and me.beam:
        return _ended(study, state, me)
    return me, []


def _pedal(study: Study, state: State, me: CArmState, op: str, down: bool) -> tuple[CArmState, list[Event]]:
    mode = "live" if op == "xray.pedal" else "dsa"
    if down and not me.beam:
        return _begun(state, me, mode), []
    if down and me.beam != mode:
        return me, [event(state.tick, "refused", op=op, why=f"the beam is already on ({me.beam})")]
    if not down and me.beam == mode:
        return _ended(study, state, me)
    return me, []


# ---------------------------------------------------------------- exposure


def _begun(state: State, me: CArmState, mode: str) -> CArmState:
    """Return the state in which a run starts; the first pulse is due at once."""
    return replace(
        me,
        beam=mode,
        run_start_tick=state.tick,
        run_pulses=0,
        run_dap_pgy_m2=0,
        run_kerma_ngy=0,
        run_mas_x1000=0,
        run_injected_nl=0,
        run_last_given_nl=_given_nl(state),
        run_agent_kind="",
        run_saw_needle=False,
        run_saw_contrast=False,
        pulse_phase=1000,
    )


def _radiate(study: Study, state: State, me: CArmState) -> CArmState:
    """Return the state after one tick with the pedal down."""
    rate = study.toolbox.carm.dsa_pulses_per_10s if me.beam == "dsa" else me.pulses_per_10s
    me = _watched(study, state, me)
    if me.pulse_phase >= 1000:
        me = _pulse(study, state, replace(me, pulse_phase=me.pulse_phase - 1000))
    return replace(me, pulse_phase=me.pulse_phase + rate, beam_on_ms=me.beam_on_ms + TICK_MS)


def _given_nl(state: State) -> int:
    return round(state.spread.given_ul * 1000.0)


def _watched(study: Study, state: State, me: CArmState) -> CArmState:
    """Add what the syringe gave since the last tick of the run."""
    spread, given = state.spread, _given_nl(state)
    added = given - me.run_last_given_nl if given >= me.run_last_given_nl else given
    kind = study.toolbox.agents[spread.agent].kind if spread.flowing and spread.agent >= 0 else me.run_agent_kind
    if added == 0 and kind == me.run_agent_kind and given == me.run_last_given_nl:
        return me
    return replace(me, run_injected_nl=me.run_injected_nl + added, run_last_given_nl=given, run_agent_kind=kind)


def _pulse(study: Study, state: State, me: CArmState) -> CArmState:
    """Return the state after one pulse: technique, dose, and what the picture shows."""
    carm = study.toolbox.carm
    me = _watched(study, state, me)
    kvp_x10, mas_x1000 = technique(study, me)
    dap, kerma = dose(carm, me, kvp_x10, mas_x1000)
    place = pose(study, me)
    return replace(
        me,
        kvp_x10=kvp_x10,
        mas_x1000=mas_x1000,
        run_pulses=me.run_pulses + 1,
        run_mas_x1000=me.run_mas_x1000 + mas_x1000,
        run_dap_pgy_m2=me.run_dap_pgy_m2 + dap,
        run_kerma_ngy=me.run_kerma_ngy + kerma,
        dap_pgy_m2=me.dap_pgy_m2 + dap,
        kerma_ngy=me.kerma_ngy + kerma,
        run_saw_needle=me.run_saw_needle or _sees_needle(state, me, place),
        run_saw_contrast=me.run_saw_contrast or _sees_contrast(state, me, place),
        last_picture_tick=state.tick,
        pictures=me.pictures + 1,
    )


def _ended(study: Study, state: State, me: CArmState) -> tuple[CArmState, list[Event]]:
    """Return the state with the beam off and the event that tells the whole run.

    A single shot counts as the intervals of the pulses it stands for: the pedal of a real unit is pressed that long.
    """
    if me.beam == "shot":
        ms = study.toolbox.carm.shot_pulses * 10_000 // me.pulses_per_10s
        me = replace(me, beam_on_ms=me.beam_on_ms + ms)
    else:
        me = _watched(study, state, me)
        ms = (state.tick - me.run_start_tick) * TICK_MS
    place = pose(study, me)
    seen = [name for name, point in study.plan.field_landmarks.items() if in_field(place, me, point)]
    fact = event(
        state.tick,
        "exposed",
        mode=me.beam,
        view=view_name(me.primary_mdeg, me.secondary_mdeg),
        primary_mdeg=me.primary_mdeg,
        secondary_mdeg=me.secondary_mdeg,
        pulses=me.run_pulses,
        duration_ms=ms,
        kvp_x10=me.kvp_x10,
        mas_x1000=me.run_mas_x1000,
        dap_pgy_m2=me.run_dap_pgy_m2,
        air_kerma_ngy=me.run_kerma_ngy,
        field_permille=_permille_open(me),
        magnification=me.magnification,
        in_field=seen,
        needle_in_field=me.run_saw_needle,
        contrast_in_field=me.run_saw_contrast,
        while_injecting=me.run_agent_kind,
        injected_ul=me.run_injected_nl // 1000,
        square_mdeg=square_mdeg(me.primary_mdeg, me.secondary_mdeg, study.plan.endplate_normal),
    )
    return replace(me, beam="", run_start_tick=-1, pulse_phase=0), [fact]


def _permille_open(me: CArmState) -> int:
    if me.iris_permille * me.iris_permille >= me.half_width_permille**2 + me.half_height_permille**2:
        return me.half_width_permille * me.half_height_permille // 1000
    return int(_open_share(me.half_width_permille, me.half_height_permille, me.iris_permille) * 1000.0)


# ---------------------------------------------------------------- automatic exposure and dose


@jit
def _walk(f: Fields, factors: F64, start: F64, step: F64, count: int, step_mm: float) -> float:
    """Return the water-equivalent length (mm) of a ray: midpoint rule over `count` steps of step_mm.

    Above and below the label volume the body goes on as at its ends.
    """
    low = f.label_origin[2]
    high = low + f.label_spacing * (f.labels.shape[2] - 1)
    total = 0.0
    for i in range(count):
        t = i + 0.5
        z = min(max(start[2] + t * step[2], low), high)
        total += factors[tissue_at(f, start[0] + t * step[0], start[1] + t * step[1], z)]
    return total * step_mm


def water_mm(study: Study, me: CArmState) -> float:
    """Return the mean water-equivalent thickness on nine rays: centre, and a third of the way to the open field's edges."""
    place, f = pose(study, me), study.phantom.fields
    half_w = place.side_mm * min(me.half_width_permille, me.iris_permille) / 6000.0
    half_h = place.side_mm * min(me.half_height_permille, me.iris_permille) / 6000.0
    total = 0.0
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            ray = place.detector_mm + column * half_w * place.right + row * half_h * place.up - place.source_mm
            length = float(np.sqrt(dot(ray, ray)))
            count = int(length / RAY_STEP_MM)
            total += _walk(f, study.toolbox.carm.water_equivalent, place.source_mm, ray / count, count, length / count)
    return total / 9.0


def technique(study: Study, me: CArmState) -> tuple[int, int]:
    """Return (kVp x10, mAs x1000) of the next pulse: the exposure curve at the water-equivalent thickness.

    Smaller detector fields ask for more (full side / side); a collimated one scatters less, and the control makes
    up for what no longer arrives. Fluoroscopy never exceeds the legal kerma rate. A single shot is
    the sum of `shot_pulses` fluoroscopy pulses in one picture.
    """
    carm = study.toolbox.carm
    thickness = water_mm(study, me)
    kvp_x10 = int(np.floor(_between(carm.curve_thickness_mm, carm.curve_kvp, thickness) * 10.0 + 0.5))
    mas = _between(carm.curve_thickness_mm, carm.curve_mas, thickness) * carm.detector_mm[0] / carm.detector_mm[me.magnification]
    mas *= _scatter_lost(carm, me, thickness)
    if me.beam == "dsa":
        mas *= carm.dsa_dose_factor
    else:
        mas = min(mas * (carm.boost_factor if me.boost else 1.0), _most_mas(carm, me, kvp_x10))
        if me.beam == "shot":
            mas *= carm.shot_pulses
    return kvp_x10, max(1, int(np.floor(mas * 1000.0 + 0.5)))


def _scatter_lost(carm: CArm, me: CArmState, water_mm: float) -> float:
    """Return how much more of the beam the receptor needs because a smaller open field scatters less."""
    if carm.scatter is None:
        return 1.0
    full = carm.detector_mm[0] * carm.detector_mm[0]
    received = [1.0 + spr_at(carm.scatter, water_mm, float(np.sqrt(a / CIRCLE)), True) for a in (full, _open_mm2(carm, me))]
    return received[0] / received[1]


def _open_mm2(carm: CArm, me: CArmState) -> float:
    """Return the open field at the receptor (mm2): what shutters and iris both leave open."""
    side = carm.detector_mm[me.magnification]
    return side * side * _open_share(me.half_width_permille, me.half_height_permille, me.iris_permille)


def _open_share(width_permille: int, height_permille: int, iris_permille: int) -> float:
    """Return the open share of the detector: a rectangle, cut by a disc round the centre (200 rows, midpoint rule)."""
    half_w, half_h, radius = width_permille / 1000.0, height_permille / 1000.0, iris_permille / 1000.0
    if radius * radius >= half_w * half_w + half_h * half_h:
        return half_w * half_h
    total = 0.0
    for i in range(IRIS_ROWS):
        y = (i + 0.5) / IRIS_ROWS * half_h
        total += min(half_w, float(np.sqrt(max(radius * radius - y * y, 0.0))))
    return total * half_h / IRIS_ROWS


def _most_mas(carm: CArm, me: CArmState, kvp_x10: int) -> float:
    """Return the mAs per pulse at which the kerma rate 30 cm from the receptor reaches the limit."""
    distance = carm.sdd_mm - 300.0
    output = _between(carm.curve_beam_kvp, carm.kerma_ugy_per_mas_1m, kvp_x10 / 10.0) * 1.0e6 / (distance * distance)
    pulses_per_min = me.pulses_per_10s * 6.0
    limit = carm.cap_mgy_min * (carm.boost_factor if me.boost else 1.0)
    return limit * 1000.0 / (pulses_per_min * output)


def _between(xs: F64, ys: F64, x: float) -> float:
    """Return linear interpolation, constant beyond the ends (own code: numpy's may change by a bit)."""
    if x <= xs[0]:
        return float(ys[0])
    for i in range(1, len(xs)):
        if x <= xs[i]:
            t = (x - float(xs[i - 1])) / float(xs[i] - xs[i - 1])
            return float(ys[i - 1]) + t * float(ys[i] - ys[i - 1])
    return float(ys[-1])


def dose(carm: CArm, me: CArmState, kvp_x10: int, mas_x1000: int) -> tuple[int, int]:
    """Return (dose-area product pGy m2, air kerma at the reference point nGy) of one pulse.

    K_ref = Y mAs (1000/d_ref)^2 and DAP = Y mAs A_1m, with Y the tube output at 1 m and A the open field there.
    """
    at_1m_ugy = _between(carm.curve_beam_kvp, carm.kerma_ugy_per_mas_1m, kvp_x10 / 10.0) * mas_x1000 / 1000.0
    area = _open_mm2(carm, me) / (carm.sdd_mm * carm.sdd_mm)
    nearer = 1000.0 / carm.reference_point_mm
    return int(np.floor(at_1m_ugy * area * 1.0e6 + 0.5)), int(np.floor(at_1m_ugy * 1000.0 * nearer * nearer + 0.5))


# ---------------------------------------------------------------- what an exposure shows


def view_name(primary_mdeg: int, secondary_mdeg: int) -> str:
    """Return the name of a projection: ap, lateral, oblique_left (detector to the patient's left) or _right, other."""
    turned = abs(primary_mdeg)
    if turned <= AP_PRIMARY_MDEG:
        return "ap" if abs(secondary_mdeg) <= AP_SECONDARY_MDEG else "other"
    if LATERAL_MDEG[0] <= turned <= LATERAL_MDEG[1]:
        return "lateral"
    if turned < LATERAL_MDEG[0]:
        return "oblique_left" if primary_mdeg > 0 else "oblique_right"
    return "other"


def in_field(place: Pose, me: CArmState, point: Vec) -> bool:
    """Return True if a point is projected inside the open field."""
    d = point - place.source_mm
    axis = place.detector_mm - place.source_mm
    sdd = float(np.sqrt(dot(axis, axis)))
    depth = dot(d, axis) / sdd
    if depth <= 0.0:
        return False
    x, y = dot(d, place.right) * sdd / depth, dot(d, place.up) * sdd / depth
    half = 0.5 * place.side_mm
    if (x * x + y * y) * 1.0e6 > half * half * me.iris_permille * me.iris_permille:
        return False
    return abs(x) * 1000.0 <= half * me.half_width_permille and abs(y) * 1000.0 <= half * me.half_height_permille


def _sees_needle(state: State, me: CArmState, place: Pose) -> bool:
    return state.needle.placed and in_field(place, me, state.needle.tip_mm)


def _opaque(state: State) -> NDArray[np.float32]:
    """Return the points of contrast and cement that X-rays show, (n, 4) x, y, z and iodine mg."""
    contrast, cement = state.spread.contrast_points, state.cement.points
    return np.concatenate([contrast, cement]) if len(contrast) and len(cement) else cement if len(cement) else contrast


def _sees_contrast(state: State, me: CArmState, place: Pose) -> bool:
    """Return True if at least a tenth of the iodine in the patient lies in the open field."""
    points = _opaque(state)
    if len(points) == 0:
        return False
    return bool(_iodine_inside(points, *_box(place, me)))


def _box(place: Pose, me: CArmState) -> tuple[F64, F64, F64, F64, float, float, float, float]:
    axis = place.detector_mm - place.source_mm
    sdd = float(np.sqrt(dot(axis, axis)))
    half = 0.5 * place.side_mm
    return (
        place.source_mm,
        axis / sdd,
        place.right,
        place.up,
        sdd,
        half * me.half_width_permille / 1000.0,
        half * me.half_height_permille / 1000.0,
        half * me.iris_permille / 1000.0,
    )


@jit
def _iodine_inside(
    points: NDArray[np.float32], source: F64, normal: F64, right: F64, up: F64, sdd: float, half_w: float, half_h: float,
    iris: float,
) -> bool:  # fmt: skip
    """Return True if a tenth of the iodine mass is projected inside the field."""
    inside, total = 0.0, 0.0
    for i in range(points.shape[0]):
        x, y, z, mass = float(points[i, 0]), float(points[i, 1]), float(points[i, 2]), float(points[i, 3])
        dx, dy, dz = x - source[0], y - source[1], z - source[2]
        w = dx * normal[0] + dy * normal[1] + dz * normal[2]
        total += mass
        if w > 0.0:
            u = (dx * right[0] + dy * right[1] + dz * right[2]) * sdd / w
            v = (dx * up[0] + dy * up[1] + dz * up[2]) * sdd / w
            if abs(u) <= half_w and abs(v) <= half_h and u * u + v * v <= iris * iris:
                inside += mass
    return total > 0.0 and inside >= 0.1 * total


def square_mdeg(primary_mdeg: int, secondary_mdeg: int, normal: Vec) -> int:
    """Return the angle between the beam's axis and the plane with this unit normal, in whole millidegrees.

    The sine is |beam . normal|; its angle is found by bisection with the bit-stable sine, no library arcsine.
    """
    sp, cp = sincos_mdeg(primary_mdeg)
    ss, cs = sincos_mdeg(secondary_mdeg)
    length = float(np.sqrt(dot(normal, normal)))
    sine = abs(sp * cs * float(normal[0]) + cp * cs * float(normal[1]) + ss * float(normal[2])) / length
    low, high = 0, 90_000
    while low < high:
        middle = (low + high) // 2
        if sincos_mdeg(middle)[0] < sine:
            low = middle + 1
        else:
            high = middle
    return low
