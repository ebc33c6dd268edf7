"""Random walks of needles through a patient full of bone, vessels and thin walls, checked at every tick.

What a walk checks: the axis of the shaft between nodes stays out of bone, every number is finite, the tubes that hold the tip
are those that its position says (so no wall was jumped), each tube is entered and left in turn, and a hand at rest moves
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sim import needle
from sim.command import IDLE, Command
from sim.fields import Fields, bone_distance, tube_distance
from sim.frames import hub_frame
from sim.jit import jit
from sim.phantom import TubeKind
from sim.state import State, Study
from tests.make_phantom import box_bone, simple_phantom, simple_toolbox, sphere_bone, study_of, tube

F64 = NDArray[np.float64]
AHEAD_MM = 0.1
"""Spacing of the points at which the axis is measured."""
WALL_MM = 1e-6
"""A tip this near to a wall may be counted on either side (bisection of a segment of 0.2 mm, 30 times)."""


@cache
def crowded_study() -> Study:
    """Return the simple patient with bones close together, a dura of 0.3 mm thickness and arteries of 1 mm and 0.6 mm."""
    bones = (
        box_bone("A", (-25.0, 19.0, 20.0), (8.0, 5.0, 10.0)),
        sphere_bone("B", (8.0, 10.0, -20.0), 9.0),
        box_bone("C", (5.0, 5.0, 15.0), (6.0, 20.0, 3.0)),
        sphere_bone("D", (-10.0, -5.0, 0.0), 6.0),
    )
    inner = tube("inside of the dura", TubeKind.SAC, [(0.0, 0.0, -55.0, 7.7), (0.0, 0.0, 65.0, 7.7)])
    arteries = tuple(
        tube(f"artery {i}", TubeKind.RADICULAR_ARTERY, [(-30.0, y, z, r), (30.0, y + 3.0, z + 4.0, r)])
        for i, (y, z, r) in enumerate(((35.0, 0.0, 0.5), (30.0, -6.0, 0.5), (25.0, -10.0, 0.3), (40.0, 12.0, 0.5)))
    )
    plain = simple_phantom()
    return study_of(replace(plain, bones=bones, tubes=(*plain.tubes, inner, *arteries)), toolbox=simple_toolbox())


@jit
def deepest_in_bone(f: Fields, nodes: F64, first: int, step: float) -> float:
    """Return the least distance (mm) of the axis to bone, measured every `step` mm from node `first` to the tip."""
    least = 1e3
    for i in range(first, nodes.shape[0] - 1):
        dx, dy, dz = nodes[i + 1, 0] - nodes[i, 0], nodes[i + 1, 1] - nodes[i, 1], nodes[i + 1, 2] - nodes[i, 2]
        parts = int(np.sqrt(dx * dx + dy * dy + dz * dz) / step) + 1
        for g in range(parts + 1):
            s = g / parts
            d, _ = bone_distance(f, nodes[i, 0] + s * dx, nodes[i, 1] + s * dy, nodes[i, 2] + s * dz)
            least = min(least, d)
    return least


@dataclass
class Tally:
    """What a set of walks has seen."""

    advances: int = 0
    ticks: int = 0
    crossings: int = 0
    deepest_mm: float = 1e3
    faults: list[str] = field(default_factory=list)


def walk(study: Study, seed: int, tally: Tally, pushes: int = 5) -> None:
    """Let one random needle be placed, pushed, turned, tilted, gripped and withdrawn; add what was seen to `tally`."""
    rng = np.random.default_rng(seed)
    todo = _plan(study, rng, pushes)
    state, held = State(), {}
    for tick in range(40_000):
        command = todo.pop(0) if todo and (not state.needle.moving or rng.random() < 0.002) else IDLE
        after, events = needle.advance(study, replace(state, tick=tick), command)
        tally.advances += command.op == "needle.move"
        if after is state.needle and command is IDLE and not todo:
            return
        state = replace(state, tick=tick, needle=after)
        tally.ticks += 1
        for fact in events:
            if fact.kind in ("structure_entered", "structure_left"):
                tally.crossings += 1
                entering = fact.kind == "structure_entered"
                if held.get(fact["name"], False) == entering:
                    tally.faults.append(f"walk {seed}, tick {tick}: {fact.kind} {fact['name']} twice")
                held[fact["name"]] = entering
        if after.placed:
            _look(study, state, seed, tally)
    tally.faults.append(f"walk {seed}: the needle never came to rest")


def _look(study: Study, state: State, seed: int, tally: Tally) -> None:
    me, f = state.needle, study.phantom.fields
    if not (np.isfinite(me.nodes_mm).all() and np.isfinite(me.path_mm).all()):
        tally.faults.append(f"walk {seed}, tick {state.tick}: not finite")
    tally.deepest_mm = min(tally.deepest_mm, deepest_in_bone(f, me.nodes_mm, 6, AHEAD_MM))
    for t in range(len(study.phantom.tubes)):
        d = tube_distance(f, t, *me.tip_mm)
        if abs(d) > WALL_MM and (d < 0.0) != (t in me.inside):
            name = study.phantom.tubes[t].name
            tally.faults.append(f"walk {seed}, tick {state.tick}: tip {d:.4f} mm from {name}, told otherwise")


def _plan(study: Study, rng: np.random.Generator, pushes: int) -> list[Command]:
    """Return the commands of one walk: any needle, aimed near a bone or a tube, at any legal speed."""
    f, tools = study.phantom.fields, study.toolbox
    near = f.bone_translation[rng.integers(len(study.phantom.bones))] if rng.random() < 0.6 else np.array([0.0, 20.0, 0.0])
    target = near + rng.uniform(-10.0, 10.0, 3)
    yaw, pitch = (int(rng.integers(-30_000, 30_000)) for _ in range(2))
    axis = hub_frame(yaw, pitch)[:, 2]
    skin = target - axis * (60.0 - target[1]) / -axis[1]
    which = int(rng.integers(len(tools.needles)))
    todo = [Command("needle.choose", (which,))]
    if rng.random() < 0.2:
        todo.append(Command("needle.bend", (int(rng.integers(0, 20_000)),)))
    if rng.random() < 0.2:
        todo.append(Command("needle.introducer", (int(rng.integers(len(tools.introducers))),)))
    if rng.random() < 0.3:
        todo.append(Command("needle.grip", (int(rng.integers(5_000, 60_000)),)))
    todo.append(Command("needle.place", (round(skin[0] * 1000), round(skin[2] * 1000), yaw, pitch)))
    todo.append(Command("needle.move", (int(rng.integers(40_000, 90_000)), int(rng.integers(2_000, 20_001)))))
    for _ in range(pushes - 1):
        tilt = Command("needle.tilt", (int(rng.integers(-25_000, 25_000)), int(rng.integers(-20_000, 20_000))))
        turn = Command("needle.turn", (int(rng.integers(-180_000, 180_000)),))
        stylet = Command("needle.stylet", (int(rng.integers(2)),))
        todo.append((tilt, turn, stylet)[rng.integers(3)])
        todo.append(Command("needle.move", (int(rng.integers(-40_000, 40_000)), int(rng.integers(5_000, 20_001)))))
    return todo
