"""A scripted operator at the window: it sees the attempt as people do, and its hands are a Player's (mouse, keys, gamepad).

For tests and for the pictures of the guide.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenarios.operators.room import Script
    from scenarios.registry import Scenario

TICKS_PER_STEP = 4
STEP_S = 0.04


def act_out(robot: Any, scenario: Scenario, script: Script, player: Any, drawn: bool = False) -> Generator[None, None, None]:
    """Let an operator's script act through a player (sim.window.player) at a robot's window (sim.window.robot).

    drawn: also draw while the operator waits; otherwise time passes without pictures of the window.
    """
    from scenarios.operators.room import Room

    theatre = robot.theatre
    room = Room(theatre.study, scenario, theatre.state)
    heard = waited = 0
    for command in script(room):
        if command is not None:
            yield from player.obey(command)
            yield
            waited = 0
        else:
            waited += 1
            if waited % TICKS_PER_STEP == 0:
                if drawn:
                    yield
                else:
                    theatre.advance(STEP_S)
        new = tuple(theatre.session.events[heard:])
        heard += len(new)
        room.perceive(theatre.state, new)
        if theatre.finished:
            break
    yield
