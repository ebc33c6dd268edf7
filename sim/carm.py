"""The C-arm as a machine: how it moves, which command it obeys, when it radiates, what it tells of a run.

Scored core: integers in the state, + - * / sqrt only. The field is sim.beam_field's, technique and dose are sim.exposure's.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.beam_field import in_field, opaque_points, permille_open, pose, sees_contrast, sees_needle, square_mdeg, view_name
from sim.clearance import touching
from sim.command import Command
from sim.event import Event, event
from sim.exposure import dose, technique
from sim.frames import sincos_mdeg
from sim.state import CArmState, State, Study
from sim.tools import CArm
from sim.view import View

F64 = NDArray[np.float64]

TICK_MS = 10
PATIENT_STEP_MM = 0.05
"""The anatomy is drawn again only when the patient has moved so far."""
START_CENTRE_UM = (0, 0, 40_000)
"""Where the machine stands at the beginning: over the lower lumbar spine, as an assistant leaves it."""


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
        contrast_points=opaque_points(state),
        noise_key=(study.seed, me.pictures),
        live=me.beam != "",
        primary_mdeg=me.primary_mdeg,
        secondary_mdeg=me.secondary_mdeg,
        iris=me.iris_permille / 1000.0,
        swivel_mdeg=me.swivel_mdeg,
        patient_mm=_patient_mm(study, state),
        breath_mm=np.array([0.0, 0.0, -_breath_mm(study, state)]),
    )


def _breath_mm(study: Study, state: State) -> float:
    """Return how far towards the feet the breath has moved diaphragm and bowel now (pictures only)."""
    return study.toolbox.carm.breath_mm * _inspired(state)


def _inspired(state: State) -> float:
    """Return how much of a quiet breath is in now, 0 to 1."""
    return 0.5 * (1.0 - sincos_mdeg(state.patient.breath_phase_permille * 360)[1])


def _patient_mm(study: Study, state: State) -> F64:
    """Return how far the patient has moved as a whole (3,), in steps of PATIENT_STEP_MM (pictures only).

    Breathing in lifts the prone back with spine and needle; for a subtraction run the breath is held. A needle
    that the hand presses on bone pushes the spine before it; great pain makes the patient jerk.
    A patient drawn from a scan stays at rest: it takes seconds.
    """
    carm, needle = study.toolbox.carm, state.needle
    moved = np.zeros(3)
    if study.phantom.scan is not None:
        return moved
    if state.carm.beam != "dsa":
        moved[1] = carm.spine_breath_mm * _inspired(state)
    if needle.placed and needle.bone >= 0 and needle.force_n > 0.0:
        moved += needle.force_n / carm.spine_n_per_mm * needle.tip_direction
    moved += _flinch_mm(study, state)
    return np.round(moved / PATIENT_STEP_MM) * PATIENT_STEP_MM


def _flinch_mm(study: Study, state: State) -> F64:
    """Return how far a patient who cries out in great pain has jerked (3,): there, and back.

    From the pain on at which the core says that the patient moves.
    """
    me, carm = state.patient, study.toolbox.carm
    since = (state.tick - me.said_tick) * TICK_MS
    if carm.flinch_mm == 0.0 or not 0 <= since < carm.flinch_ms or me.pain < study.toolbox.constant("patient.moves_from"):
        return np.zeros(3)
    share = sincos_mdeg(since * 180_000 // carm.flinch_ms)[0]
    side = 1.0 if me.said_side == "right" else -1.0  # away from the side that hurts
    return carm.flinch_mm * share * np.array([0.6 * side, 0.0, 0.8])


def at_rest(me: CArmState) -> bool:
    """Return True if the machine stands where it was sent."""
    angles = me.primary_mdeg, me.secondary_mdeg, me.swivel_mdeg
    goals = me.primary_target_mdeg, me.secondary_target_mdeg, me.swivel_target_mdeg
    return angles == goals and me.centre_um == me.centre_target_um


def _moved(carm: CArm, me: CArmState) -> CArmState:
    """Return the machine one tick nearer to where it was sent (each axis at its own full speed)."""
    if at_rest(me):
        return me
    turn = max(1, carm.angle_speed_mdeg_s * TICK_MS // 1000)
    slide = max(1, carm.slide_speed_um_s * TICK_MS // 1000)
    x, y, z = (_towards(now, goal, slide) for now, goal in zip(me.centre_um, me.centre_target_um, strict=True))
    return replace(
        me,
        primary_mdeg=_towards(me.primary_mdeg, me.primary_target_mdeg, turn),
        secondary_mdeg=_towards(me.secondary_mdeg, me.secondary_target_mdeg, turn),
        swivel_mdeg=_towards(me.swivel_mdeg, me.swivel_target_mdeg, turn),
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
        swivel_target_mdeg=before.swivel_mdeg,
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
    if op == "carm.swivel":
        return replace(me, swivel_target_mdeg=args[0]), []
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
        run_saw_needle=me.run_saw_needle or sees_needle(state, me, place),
        run_saw_contrast=me.run_saw_contrast or sees_contrast(state, me, place),
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
        field_permille=permille_open(me),
        magnification=me.magnification,
        in_field=seen,
        needle_in_field=me.run_saw_needle,
        contrast_in_field=me.run_saw_contrast,
        while_injecting=me.run_agent_kind,
        injected_ul=me.run_injected_nl // 1000,
        square_mdeg=square_mdeg(me.primary_mdeg, me.secondary_mdeg, study.plan.endplate_normal, me.swivel_mdeg),
        **({"swivel_mdeg": me.swivel_mdeg} if me.swivel_mdeg else {}),
    )
    return replace(me, beam="", run_start_tick=-1, pulse_phase=0), [fact]
