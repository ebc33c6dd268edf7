"""A lead in the synthetic patient: a needle that already lies in the epidural space, and a way to drive the engine alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from sim import lead
from sim.command import IDLE, Command
from sim.event import Event
from sim.phantom import Tissue
from sim.state import NeedleState, State, Study
from tests.make_phantom import simple_phantom, simple_plan, simple_toolbox, study_of

SCS, DRG, EPIDURAL, CAUDAL, SPINAL = range(5)


@cache
def lead_study(adhesions_per_100mm: float = 0.0, seed: int = 1) -> Study:
    """Return the synthetic patient with a 14G Tuohy needle on the tray and a given density of adhesions."""
    tools = simple_toolbox()
    tuohy = replace(tools.needles[0], name="14G Tuohy", gauge=14, outer_diameter_mm=2.1, inner_diameter_mm=1.6)
    constants = tools.constants | {"lead_canal.adhesions_per_100mm": adhesions_per_100mm}
    return study_of(simple_phantom(), simple_plan(), replace(tools, needles=(tuohy, *tools.needles), constants=constants), seed)


def in_canal(
    tip: tuple[float, float, float] = (0.0, 8.7, -45.0), direction: tuple[float, float, float] = (0.0, -0.5, 0.866)
) -> State:
    """Return a state in which the Tuohy's tip lies open in the epidural fat (on the dorsal midline, near the lower end)."""
    needle = NeedleState(
        needle=0,
        placed=True,
        stylet=False,
        entry_mm=np.array(tip) - 60.0 * np.array(direction),
        tip_mm=np.array(tip),
        tip_direction=np.array(direction),
        tissue=int(Tissue.EPIDURAL_FAT),
    )
    return State(needle=needle)


def drive(study: Study, state: State, *commands: Command, most: int = 6000) -> tuple[State, list[Event]]:
    """Give each command once the lead rests, until it rests after the last; return the state and all events."""
    told: list[Event] = []
    todo = list(commands)
    for _ in range(most):
        command = todo.pop(0) if todo and not state.lead.moving else IDLE
        state = replace(state, tick=state.tick + 1)
        after, events = lead.advance(study, state, command)
        told += events
        state = replace(state, lead=after)
        if not todo and not after.moving:
            return state, told
    raise AssertionError("the lead never came to rest")


def push(mm: float, speed_mm_s: float = 20.0) -> Command:
    """Return the command that inserts (or pulls) by some millimetres."""
    return Command("lead.insert", (round(mm * 1000), round(speed_mm_s * 1000)))
