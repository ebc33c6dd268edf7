"""Jobs of the window that would make it stutter, each in a process of its own: a thumbnail, the expert's needle path.

    python -m commands.backstage thumbnail tfesi-l4l5-right 1

The result goes into the cache under the name that commands.gallery looks for. Whoever fails leaves nothing there.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from commands.common import write_file
from commands.gallery import THUMBNAIL_PX, cache_file

if TYPE_CHECKING:
    from scenarios.registry import Scenario
    from sim.command import Command
    from sim.event import Event
    from sim.state import State

STEP_TICKS = 25
PICTURE_PX, MIDDLE_PX = 512, 340
"""Side of the whole X-ray picture, and of its middle that a card shows."""


def make_thumbnail(scenario: Scenario, seed: int) -> bytes:
    """Return the middle of the picture down the planned way (AP where the plan has none) as PNG, without letters."""
    import numpy as np
    from PIL import Image

    from scenarios.beam_tables import load_beam
    from scenarios.pictures import png_bytes, still_view
    from scenarios.study import make_study
    from sim.picture import Imager
    from sim.scene import make_scene

    study = make_study(scenario, seed)
    name = f"corridor.{study.plan.approach}.{study.plan.level}.{study.plan.side}"
    primary, secondary = (round(study.phantom.measures.get(f"{name}.{axis}_mdeg", 0)) for axis in ("primary", "secondary"))
    _, now = still_view(study, primary, secondary)
    grey = Imager(make_scene(study.phantom), load_beam()).picture(now, PICTURE_PX, marks=False)
    edge = (PICTURE_PX - MIDDLE_PX) // 2
    middle = Image.fromarray(np.ascontiguousarray(grey[edge : edge + MIDDLE_PX, edge : edge + MIDDLE_PX]))
    return png_bytes(np.asarray(middle.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)))


def expert_paths(scenario: Scenario, seed: int) -> list[list[list[float]]]:
    """Return the tip of the expert's needle every quarter of a second, one path per placement (mm)."""
    from scenarios.headless import run_script
    from scenarios.operators import find_operator
    from scenarios.study import make_study
    from sim.session import advance, begin

    study = make_study(scenario, seed)
    state, _ = begin(study)
    paths: list[list[list[float]]] = []
    passes = 0

    def tick(command: Command) -> tuple[State, tuple[Event, ...]]:
        nonlocal state, passes
        state, new = advance(study, state, command)
        needle = state.needle
        if needle.placed and needle.passes != passes:
            passes = needle.passes
            paths.append([])
        if needle.placed and paths and (state.tick % STEP_TICKS == 0 or not paths[-1]):
            tip = [round(float(c), 2) for c in needle.tip_mm]
            if not paths[-1] or paths[-1][-1] != tip:
                paths[-1].append(tip)
        return state, new

    run_script(study, scenario, find_operator(scenario, "expert"), tick, state)
    return [path for path in paths if len(path) > 1]


def main(what: str, name: str, seed: str) -> int:
    """Do one job."""
    from scenarios.registry import find_scenario

    with suppress(AttributeError, OSError):
        os.nice(15)
    scenario = find_scenario(name)
    if what == "thumbnail":
        path, content = cache_file("thumbnails", scenario, int(seed), ".png"), make_thumbnail(scenario, int(seed))
    else:
        path = cache_file("ghosts", scenario, int(seed), ".json")
        content = json.dumps({"scenario": name, "seed": int(seed), "paths_mm": expert_paths(scenario, int(seed))}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
