"""Injections for tests: the simple phantom with the project's agents, flow rows and patient constants.

`python -m tests.make_injection` prints the digests of a short scripted run (compiled and interpreted must agree).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from sim import spread
from sim.fields import tissue_at, tube_distance
from sim.phantom import Tissue
from sim.state import CArmState, NeedleState, State, Study
from sim.tools import Agent, Toolbox
from tests.make_phantom import DATA, simple_phantom, simple_toolbox, study_of
from tests.one_engine import OneEngine

FORAMEN = (-17.0, 1.0, 6.0)
CANAL = (0.0, 10.0, 0.0)
SAC = (0.0, 0.0, 0.0)
BELOW_DURA = (0.0, -7.8, 0.0)
VEIN = (-9.0, -8.0, -4.0)
ARTERY = (-20.0, -6.0, 5.0)
MUSCLE = (-40.0, 30.0, 0.0)
BONE = (-25.0, 19.0, 20.0)  # deep in the box
BONE_FACE = (-25.0, 23.6, 20.0)  # its dorsal surface
CONTRAST, LIDOCAINE, DEXAMETHASONE, TRIAMCINOLONE = 0, 2, 4, 5


def _value(raw: Any) -> Any:
    return raw["value"] if isinstance(raw, dict) else raw


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA / name).read_text(encoding="utf-8"))


@cache
def toolbox() -> Toolbox:
    box = simple_toolbox()
    flow = {row["label"]: row for row in _read("spread.toml")["tissue"]}
    tissues = tuple(
        replace(
            row,
            conductance=_value(flow[Tissue(row.label).name]["conductance"]),
            capacity=_value(flow[Tissue(row.label).name]["capacity"]),
        )
        for row in box.tissues
    )
    agents = tuple(Agent(**{key: _value(raw) for key, raw in row.items()}) for row in _read("agents.toml")["agent"])
    constants = dict(box.constants)
    for room in ("spread", "patient"):
        constants |= {f"{room}.{key}": _value(raw) for key, raw in _read(f"{room}.toml")[room].items()}
    return replace(box, tissues=tissues, agents=agents, constants=constants)


@cache
def study(seed: int = 1) -> Study:
    return study_of(simple_phantom(), toolbox=toolbox(), seed=seed)


def needle_at(where: Study, point: Sequence[float]) -> NeedleState:
    """Return an open needle with its tip at a point, as the needle engine would leave it."""
    f = where.phantom.fields
    x, y, z = (float(v) for v in point)
    inside = tuple(t for t in range(len(where.phantom.tubes)) if tube_distance(f, t, x, y, z) < 0.0)
    return NeedleState(
        needle=0, placed=True, tip_mm=np.array([x, y, z]), inside=inside, stylet=False, tissue=tissue_at(f, x, y, z)
    )


class Run(OneEngine):
    """A patient with a needle in, driven through the injectate engine alone."""

    engine, part = spread, "spread"

    @property
    def spread(self):
        return self.state.spread

    def put(self, point: Sequence[float]) -> Run:
        self.state = replace(self.state, needle=needle_at(self.study, point))
        return self

    def beam(self, mode: str) -> Run:
        self.state = replace(self.state, carm=CArmState(beam=mode))
        return self

    def wait(self, ticks: int) -> Run:
        for _ in range(ticks):
            self.tick()
        return self

    def inject(self, agent: int, ul: int, rate: int = 500, drawn: int = 20_000) -> Run:
        """Attach, inject to the end, let it stop."""
        self.do("syringe.attach", agent, drawn).do("syringe.inject", ul, rate)
        while self.spread.flowing:
            self.tick()
        return self


def run_at(point: Sequence[float], seed: int = 1) -> Run:
    where = study(seed)
    return Run(where, State(spread=spread.begin(where))).put(point)


def scripted() -> list[str]:
    """Return the digests of a short run through tissue, vessel and sac."""
    run = run_at(FORAMEN)
    out = []
    for point, agent, ul in (
        (FORAMEN, CONTRAST, 60),
        (CANAL, DEXAMETHASONE, 40),
        (VEIN, CONTRAST, 30),
        (SAC, CONTRAST, 20),
        (BELOW_DURA, CONTRAST, 20),
    ):
        run.put(point).inject(agent, ul)
        out.append(run.state.digest())
        points = np.round(run.spread.contrast_points.astype(np.float64), 3)
        out.append(f"{len(points)} {points.sum(0).round(2).tolist()}")
    return out


if __name__ == "__main__":
    print("\n".join(scripted()))
