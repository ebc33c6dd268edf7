"""State of a lead or catheter: whole numbers only, so that the chain can be rebuilt from it at every tick."""

from __future__ import annotations

from dataclasses import dataclass

from sim.state.quantise import plain

Link = tuple[int, int, int, int, int, int]
"""One link of the chain: centre along and across the sheet (nm), heading (nrad), and the three speeds per second."""


@dataclass(frozen=True)
class LeadState:
    """One lead. lead: index in the toolbox, -1 before one is chosen. space: "", "epidural" or "intrathecal".

    exit_nm, exit_nrad: where the needle's tip lies in the sheet (along, across) and its heading there; skin_um: the
    needle's entry, for the picture. inserted_um: length beyond the needle's tip; goal_um: where the hand is
    going, at speed_um_s; roll_mdeg (and the angle the hand turns it to); stylet_um: how far the stylet is drawn back.
    links: the chain from the needle to the tip. nodes: the ends of its links as (along, across) in steps of 0.1 mm, the only
    positions that events and pictures see. push_mn: the force that the hand needs (relative display only).
    moving: not yet at rest; still_ticks, settle_ticks, stalled_ticks: for how long at rest, left alone, or
    unable to follow the hand.
    kinked, looped, left: said once until undone.
    """

    lead: int = -1
    space: str = ""
    exit_nm: tuple[int, int] = (0, 0)
    exit_nrad: int = 0
    skin_um: tuple[int, int, int] = (0, 0, 0)
    inserted_um: int = 0
    goal_um: int = 0
    speed_um_s: int = 0
    roll_mdeg: int = 0
    roll_target_mdeg: int = 0
    stylet_um: int = 0
    links: tuple[Link, ...] = ()
    nodes: tuple[tuple[int, int], ...] = ()
    push_mn: int = 0
    moving: bool = False
    still_ticks: int = 0
    stalled_ticks: int = 0
    settle_ticks: int = 0
    reason: str = ""
    kinked: bool = False
    looped: bool = False
    left: bool = False

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest: what the hand does exactly, the chain by its nodes in 0.1 mm."""
        hand = (self.lead, self.space, self.inserted_um, self.goal_um, self.roll_mdeg, self.stylet_um)
        return plain(*hand, self.nodes, self.moving, self.kinked, self.looped, self.left)
