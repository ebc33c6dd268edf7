"""Vertebrae for cement: a drum of cancellous bone with pedicles, discs, canal and soft tissue round it.

`python -m tests.make_cement` prints the digests of a short scripted run (compiled and interpreted must agree).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from scenarios.toolbox import cement_constants, load_cements
from sim import cement
from sim.cement_body import make_body
from sim.cement_front import leaks
from sim.fields import tissue_at
from sim.phantom import LabelVolume, Phantom, Tissue
from sim.state import NeedleState, State, Study
from sim.tools import Needle, Toolbox
from tests.make_phantom import flat_skin, simple_toolbox, study_of
from tests.one_engine import OneEngine

HALF_LEFT, HALF_BACK, HALF_UP = 21.0, 15.5, 13.0
TIP = (5.0, -5.0, 1.0)
"""Anterior third, a little off the midline: one cannula through the left pedicle."""
DIRECTION = (-0.26, -0.94, -0.22)
DEFECT = (12.0, -12.5, 3.0)
LOW, HIGH, UNKNOWN = 0, 1, 2


@cache
def toolbox(**changed: float) -> Toolbox:
    """Return the simple tools with the project's cements and one 11G bone needle."""
    box = simple_toolbox()
    needle = Needle("11G bone 100 mm", 11, 100.0, 3.048, 2.388, "diamond", 0.0, 0.0, 200.0)
    constants = box.constants | cement_constants() | {f"cement.{name}": value for name, value in changed.items()}
    return replace(box, needles=(needle, *box.needles), cements=load_cements(), constants=constants)


@cache
def drum(defect: bool = False, spacing: float = 1.0) -> Phantom:
    """Return one vertebral body (42 x 31 x 26 mm), with a hole in its anterolateral cortex or without."""
    low, n = np.array([-40.0, -36.0, -30.0]), np.round(np.array([80.0, 80.0, 60.0]) / spacing).astype(int)
    origin = low + 0.5 * spacing
    x, y, z = np.meshgrid(*(origin[c] + spacing * np.arange(n[c]) for c in range(3)), indexing="ij")
    labels = np.full(tuple(n), int(Tissue.MUSCLE), np.uint8)
    radial = np.sqrt((x / HALF_LEFT) ** 2 + (y / HALF_BACK) ** 2)
    labels[(radial < 1.0) & (abs(z) >= HALF_UP) & (abs(z) < HALF_UP + 9.0)] = Tissue.DISC_NUCLEUS
    canal = np.sqrt((x / 12.0) ** 2 + ((y - 24.0) / 9.0) ** 2)
    labels[canal < 1.0] = Tissue.EPIDURAL_FAT
    labels[canal < 0.7] = Tissue.CSF
    pedicle = (abs(abs(x) - 15.0) < 4.5) & (y > 8.0) & (y < 30.0) & (abs(z - 5.0) < 5.5)
    core = (abs(abs(x) - 15.0) < 3.0) & (y > 6.0) & (y < 28.5) & (abs(z - 5.0) < 4.0)
    labels[pedicle] = Tissue.BONE_CORTEX
    body = (radial < 1.0) & (abs(z) < HALF_UP)
    labels[body] = Tissue.BONE_CORTEX
    inner = (np.sqrt((x / (HALF_LEFT - 1.2)) ** 2 + (y / (HALF_BACK - 1.2)) ** 2) < 1.0) & (abs(z) < HALF_UP - 1.2)
    labels[inner | core] = Tissue.BONE_CANCELLOUS
    marks = {
        "L1.body.centre": np.zeros(3),
        "L1.endplate.superior": np.array([0.0, 0.0, HALF_UP]),
        "L1.endplate.inferior": np.array([0.0, 0.0, -HALF_UP]),
        "L1.wall.posterior": np.array([0.0, HALF_BACK, 0.0]),
    }
    if defect:
        marks["L1.cortical_defect.0"] = np.array(DEFECT)
    return Phantom("drum", (), (), LabelVolume(labels, origin, spacing), flat_skin(), marks)


def study(seed: int = 1, defect: bool = False, **changed: float) -> Study:
    return study_of(drum(defect), toolbox=toolbox(**changed), seed=seed)


def needle_at(where: Study, point: Sequence[float] = TIP) -> NeedleState:
    """Return an open 11G needle with its tip at a point."""
    x, y, z = (float(v) for v in point)
    way = np.array(DIRECTION) / np.sqrt((np.array(DIRECTION) ** 2).sum())
    tissue = tissue_at(where.phantom.fields, x, y, z)
    return NeedleState(needle=0, placed=True, tip_mm=np.array([x, y, z]), tip_direction=way, stylet=False, tissue=tissue)


class Run(OneEngine):
    """A patient with a bone needle in, driven through the cement engine alone."""

    engine, part = cement, "cement"

    @property
    def cement(self):
        return self.state.cement

    def needle(self, **changed) -> Run:
        self.state = replace(self.state, needle=replace(self.state.needle, **changed))
        return self

    def wait(self, seconds: float) -> Run:
        """Let time pass; only the last tick runs the engine (nothing flows)."""
        self.state = replace(self.state, tick=self.state.tick + round(seconds * 100) - 1)
        return self.tick()

    def inject(self, ul: int, rate: int = 100) -> Run:
        self.do("cement.inject", ul, rate)
        while self.cement.flowing:
            self.tick()
        return self

    def ready(self, product: int = LOW, wait_s: float = 300.0) -> Run:
        return self.do("cement.mix", product).do("cement.attach").wait(wait_s)


def run(seed: int = 1, defect: bool = False, point: Sequence[float] = TIP, **changed: float) -> Run:
    where = study(seed, defect, **changed)
    return Run(where, State(cement=cement.begin(where), needle=needle_at(where, point)))


# --- bench ----------------------------------------------------------------------------------------

BENCH_UL, BENCH_UL_S = 8_000.0, 150.0
BENCH_PATH_MM = 9.3
"""Volume, rate, and distance from the cannula to the leak path: layout, the paper was read as abstract only."""


@cache
def foam() -> Phantom:
    """Return a block of open foam in a sealed box with one bore of 3 mm that leads out: the kind of Habib 2010."""
    n, origin = (56, 56, 44), np.array([-27.5, -27.5, -21.5])
    labels = np.full(n, int(Tissue.AIR), np.uint8)
    labels[2:-2, 14:-2, 2:-2] = Tissue.BONE_CANCELLOUS
    labels[:, :14, :] = Tissue.MUSCLE
    labels[:, 12:14, :] = Tissue.BONE_CORTEX
    marks = {
        "B1.body.centre": np.array([0.0, 2.0, 0.0]),
        "B1.endplate.superior": np.array([0.0, 2.0, 20.0]),
        "B1.endplate.inferior": np.array([0.0, 2.0, -20.0]),
        "B1.wall.posterior": np.array([0.0, 25.0, 0.0]),
        "B1.cortical_defect.0": np.array([0.0, -15.0, 0.0]),
    }
    return Phantom("foam", (), (), LabelVolume(labels, origin, 1.0), flat_skin(), marks)


@cache
def bench_toolbox() -> Toolbox:
    """Return tools in which no vein or endplate opens, and the bore ends in air: cement runs out at no cost."""
    shut = {f"{what}_strength_{end}": 1e9 for what in ("basivertebral", "segmental", "endplate") for end in ("low", "high")}
    free = {"cost_paravertebral": 0.05, "room_paravertebral": 1.0, "plug_mm": 0.0}
    even = {"block_noise": 0.0, "thin_scale": 1.6}  # foam has no bands; without them thin cement runs less far ahead
    return toolbox(**shut, **free, **even, track_strength=1e9, defect_radius_mm=1.5, defect_grip=0.95, defect_inside_mm=2.0)


def bench_leak_g(seed: int, product: int, start_s: float, injected) -> float:
    """Return the grams that leave the foam when 8 mL are poured start_s after mixing (foam at room temperature)."""
    where = study_of(foam(), toolbox=bench_toolbox(), seed=seed)
    tip = np.array([0.0, -13.5 + BENCH_PATH_MM, 0.0])
    body = make_body(where, "B1", tip, np.zeros(3))
    front = injected(where, body, tip, product, BENCH_UL, start_s, False, BENCH_UL_S)
    return sum(ul for _, _, ul in leaks(front)) * 1e-3 * where.toolbox.cements[product].density_g_per_ml


def scripted() -> list[str]:
    """Return the digests of a short run: both cements, a pause, the stylet, the needle out."""
    out = []
    for product, wait in ((LOW, 280.0), (HIGH, 150.0)):
        r = run(3, True).ready(product, wait).inject(620, 500)
        out.append(r.state.digest())
        r.wait(45.0).inject(120, 300).needle(placed=False).tick()
        out += [r.state.digest(), str(np.round(r.cement.points.astype(np.float64), 3).sum(0).round(2).tolist())]
    return out


if __name__ == "__main__":
    print("\n".join(scripted()))
