"""What vessels are laid against: the gate of each foramen, and the ways of needles that they must leave free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.landmarks import SIGN, Frame, Spine
from anatomy_assets.tables import number
from anatomy_assets.targets import Corridor
from anatomy_assets.tubes import free_way, keep_out, roomiest
from sim.fields import Fields
from sim.frames import norm
from sim.phantom import Tube

F64 = NDArray[np.float64]
N = "neurovascular"


@dataclass(frozen=True)
class Gate:
    """Local measures of one foramen, from the pedicle's underside: half pedicle width and ventral wall."""

    frame: Frame
    inferior: F64
    half: float
    wall: float  # posterior coordinate of the body wall under the pedicle, relative to `inferior`
    side: str

    def at(self, out: float, back: float, up: float) -> F64:
        """Return a point: outwards, behind the ventral wall, above the pedicle's underside."""
        axes = self.frame.axes
        return self.inferior + SIGN[self.side] * out * axes[0] + (self.wall + back) * axes[1] + up * axes[2]


def gate(spine: Spine, free: Fields, level: str, side: str) -> Gate:
    """Return the measures of the foramen under the pedicle of `level`."""
    frame = spine.frames[level]
    inferior = spine.mark(f"{level}.pedicle.{side}.inferior")
    half = 0.5 * norm(spine.mark(f"{level}.pedicle.{side}.lateral") - spine.mark(f"{level}.pedicle.{side}.medial"))
    start = inferior - 4.0 * frame.axes[2]
    shift = roomiest(free, start, frame.axes[1], -8.0, 2.0)
    start = start + shift * frame.axes[1]
    return Gate(frame, inferior, half, shift - free_way(free, *start, *(-frame.axes[1]), 15.0), side)


def ways(targets: Mapping[tuple[str, str, str], Corridor]) -> list[Tube]:
    """Return the pseudo tubes that keep vessels off the targets and the ways to them."""
    clear = number(N, "target.vessel_clear_mm")
    out = []
    for (approach, level, side), corridor in targets.items():
        radius = clear + 0.3 if approach == "subpedicular" else 1.5
        p, n = corridor.target, corridor.normal
        out.append(keep_out(f"{approach}_{level}_{side}", [p, p + 40.0 * n], radius))
    return out
