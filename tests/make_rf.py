"""A block of muscle with a medial branch, a ganglion and a sac around the track of a needle, for the radiofrequency tests."""

from __future__ import annotations

from functools import cache

from sim.command import IDLE, Command
from sim.event import Event
from sim.phantom import Phantom, TubeKind
from sim.session import advance, begin
from sim.state import State, Study
from tests.make_phantom import slab_phantom, study_of, tube


@cache
def rf_phantom() -> Phantom:
    """Return muscle below y = 60; a needle at (0, 20) goes straight down beside the branch, which runs along y 1.5 mm away."""
    branch = tube(
        "medial_branch_L4_right", TubeKind.MEDIAL_BRANCH, [(1.5, 45.0, 20.0, 0.5), (1.5, 20.0, 20.0, 0.5)], "L4", "right"
    )
    ganglion = tube("drg_L4_right", TubeKind.GANGLION, [(-6.0, 5.0, 20.0, 2.5), (-12.0, 5.0, 18.0, 2.5)], "L4", "right")
    sac = tube("sac", TubeKind.SAC, [(0.0, 0.0, -30.0, 8.0), (0.0, 0.0, 5.0, 8.0)], wall_mm=0.3)
    return slab_phantom(tubes=(branch, ganglion, sac))


def rf_study(seed: int = 1) -> Study:
    """Return the study of that patient."""
    return study_of(rf_phantom(), seed=seed)


def go_in(
    study: Study, depth_mm: float, needle: str = "22G Whitacre 89 mm", electrode: str = "22G, 10 mm active tip"
) -> list[Command]:
    """Return the commands that bring a connected electrode straight down to a depth."""
    names = [row.name for row in study.toolbox.electrodes]
    return [
        Command("needle.choose", (study.toolbox.index("needles", needle),)),
        Command("needle.place", (0, 20_000, 0, 0)),
        Command("needle.move", (round(depth_mm * 1000), 20_000)),
        Command("needle.stylet", (0,)),
        Command("rf.connect", (names.index(electrode),)),
    ]


def play(
    study: Study, commands: list[Command], state: State | None = None, given: list[tuple[int, Command]] | None = None
) -> tuple[State, list[Event]]:
    """Give each command once needle and generator rest, then wait until they rest; note them with their ticks in `given`."""
    state = state or begin(study)[0]
    told: list[Event] = []
    todo = list(commands)
    while todo or state.needle.moving or state.heat.heating:
        ready = todo and not state.needle.moving and not state.heat.heating
        command = todo.pop(0) if ready else IDLE
        state, new = advance(study, state, command)
        told += new
        if ready and given is not None:
            given.append((state.tick, command))
    return state, told
