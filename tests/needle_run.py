"""Run a short needle sequence and print a digest of every tick: compared between compiled and interpreted runs.

Usage: python -m tests.needle_run TICKS
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace

from sim import needle
from sim.command import IDLE, Command
from sim.event import Event
from sim.state import State, Study
from tests.make_phantom import simple_study


def play(study: Study, commands: list[Command], state: State | None = None, most: int = 20_000) -> tuple[State, list[Event]]:
    """Give each command once the needle rests, until it rests after the last; return the state and all events."""
    state = state or State()
    todo = list(commands)
    told: list[Event] = []
    for _ in range(most):
        command = todo.pop(0) if todo and not state.needle.moving else IDLE
        state = replace(state, tick=state.tick + 1)
        after, events = needle.advance(study, state, command)
        told += events
        if after is state.needle and command is IDLE and not todo:
            return state, told
        state = replace(state, needle=after)
    raise AssertionError("the needle never came to rest")


def begin_with(needle_index: int, x_um: int, z_um: int, yaw_mdeg: int = 0, pitch_mdeg: int = 0) -> list[Command]:
    """Return the commands that bring a needle to the skin."""
    return [Command("needle.choose", (needle_index,)), Command("needle.place", (x_um, z_um, yaw_mdeg, pitch_mdeg))]


TIMED = {
    1: Command("needle.choose", (0,)),
    2: Command("needle.place", (-16_000, 20_000, -20_000, 9_000)),
    3: Command("needle.move", (70_000, 20_000)),
    20: Command("needle.turn", (90_000,)),
    260: Command("needle.tilt", (-14_000, 12_000)),
    290: Command("needle.move", (-20_000, 20_000)),
    320: Command("needle.tilt", (-20_000, -3_000)),
    350: Command("needle.move", (30_000, 20_000)),
}
"""A fast walk on to bone, a tilt against it, a withdrawal and a new pass."""


def digest(ticks: int) -> str:
    """Return SHA-256 over the exact bits of every tick of TIMED."""
    study = simple_study()
    state = State()
    total = hashlib.sha256()
    for tick in range(1, ticks + 1):
        state = replace(state, tick=tick)
        after, events = needle.advance(study, state, TIMED.get(tick, IDLE))
        state = replace(state, needle=after)
        total.update(
            after.nodes_mm.tobytes() + after.path_mm.tobytes() + repr((after.depth_mm, after.force_n, after.tissue)).encode()
        )
        total.update(repr([(e.kind, dict(e.data)) for e in events]).encode())
    return total.hexdigest()


if __name__ == "__main__":
    print(digest(int(sys.argv[1])))
