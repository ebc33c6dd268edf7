"""State of the needle: what the hand asks, where the shaft is, what the tip is in."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sim.state.quantise import micrometres, plain

F64 = NDArray[np.float64]


def _empty(*shape: int) -> F64:
    return np.zeros(shape, np.float64)


@dataclass(frozen=True)
class NeedleState:
    """One needle. Arrays are never changed in place; lengths in mm, patient frame.

    needle: index in the toolbox, -1 before one is chosen. placed: the tip is on or under the skin.
    entry_mm: skin point. yaw/pitch/roll_mdeg: hub angles and bevel now (and *_target the hand is turning them
    to); the tip cuts towards cos(roll) ex + sin(roll) ey of sim.frames.hub_frame.
    asked_mm: where the hand is; goal_mm: where it is going, at speed_mm_s; depth_mm: inserted length.
    tip_mm, tip_direction: (3,); nodes_mm: (33, 3) shaft from the hub to the tip; path_mm: (n, 3) cut path.
    tissue: label at the tip; inside: indices of the tubes that hold the tip; stylet: inserted or not.
    force_n: hand force (relative display only). moving: the hand has not reached what it asked.
    grip_um: free length between fingers and skin, 0 while the hand holds the hub. introducer: index in the toolbox, -1 none.
    bend_mdeg: bend that the hand gave the tip, on top of the tool's own. bored: bone tissue around a tip that mallet or drill
    drove in (0: none; the engine's marks are negative); bore_from_mm, bore_to_mm: depths of that hole.
    passes: advances of the whole attempt that began after a placement or after a withdrawal of 5 mm or more.

    For the engine alone: shape (33, 4) wx, wx', wy, wy' in the hub frame; path_label (n,) tissue of the path
    that begins at each point; trail_mm (n, 3) where the tip was when it cut each point; base: voxel tissue at the
    tip; membrane: the closed one before the tip (0 none);
    opened, opened_mm: the last that popped and where; bone: index of the bone the tip touches (-1 none);
    stuck, stuck_mm: the tip grips bone there; blocked_ms: since when it cannot follow the hand; buckled: the
    free shaft gave way in this push; friction_n; inside_since (tick) and inside_deepest (mm) go with inside;
    armed, peak_mm: the next advance is a new pass, and the depth a withdrawal is counted from.
    """

    needle: int = -1
    placed: bool = False
    entry_mm: F64 = field(default_factory=lambda: _empty(3))
    yaw_mdeg: int = 0
    pitch_mdeg: int = 0
    yaw_target_mdeg: int = 0
    pitch_target_mdeg: int = 0
    asked_mm: float = 0.0
    goal_mm: float = 0.0
    speed_mm_s: float = 0.0
    depth_mm: float = 0.0
    roll_mdeg: int = 0
    roll_target_mdeg: int = 0
    tip_mm: F64 = field(default_factory=lambda: _empty(3))
    tip_direction: F64 = field(default_factory=lambda: _empty(3))
    nodes_mm: F64 = field(default_factory=lambda: _empty(33, 3))
    path_mm: F64 = field(default_factory=lambda: _empty(0, 3))
    tissue: int = 0
    inside: tuple[int, ...] = ()
    stylet: bool = True
    force_n: float = 0.0
    moving: bool = False
    passes: int = 0
    shape: F64 = field(default_factory=lambda: _empty(33, 4))
    trail_mm: F64 = field(default_factory=lambda: _empty(0, 3))
    path_label: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    base: int = 0
    membrane: int = 0
    opened: int = 0
    opened_mm: float = 0.0
    bone: int = -1
    stuck: bool = False
    stuck_mm: F64 = field(default_factory=lambda: _empty(3))
    blocked_ms: int = 0
    buckled: bool = False
    friction_n: float = 0.0
    inside_since: tuple[int, ...] = ()
    inside_deepest: tuple[float, ...] = ()
    armed: bool = False
    peak_mm: float = 0.0
    grip_um: int = 0
    introducer: int = -1
    bend_mdeg: int = 0
    bored: int = 0
    bore_from_mm: float = 1e9
    bore_to_mm: float = 1e9
    energy_nmm: float = 0.0
    feed_mm_s: float = 0.0
    drill_ms: int = 0
    driven_from_mm: float = -1.0

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest, lengths rounded to step_um."""
        whole = (
            self.needle,
            self.placed,
            self.yaw_mdeg,
            self.pitch_mdeg,
            self.roll_mdeg,
            self.tissue,
            self.inside,
            self.stylet,
            self.passes,
            *self._aids(),
        )
        lengths = np.concatenate([self.entry_mm, self.tip_mm, [self.depth_mm, self.asked_mm], self.nodes_mm.ravel()])
        return plain(*whole) + micrometres(lengths, step_um)

    def _aids(self) -> tuple[float, ...]:
        """Return what grip, introducer, bend and hole add to a digest: nothing as long as none of them was used."""
        hole = round(min(self.bore_from_mm, 1e6) * 1000)
        aids = (self.grip_um, self.introducer, self.bend_mdeg, self.bored, hole, self.drill_ms)
        return () if aids == (0, -1, 0, 0, 1_000_000_000, 0) else aids
