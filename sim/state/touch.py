"""State of what the tip touches: contacts that have begun and not ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sim.state.quantise import plain


class Contact(NamedTuple):
    """One contact of the tip. Integers and names only.

    structure: "root", "dura", "disc", ... (sim.touch). name: of the tube, the bone or the tissue. since: tick. speed_um_s,
    fastest_um_s: of the tip against the tissue when it met it, and since. from_um: inserted length there. deepest_um: below
    the wall (tubes) or beyond the place where it was met. force_mn: highest, bone only.
    """

    structure: str
    name: str
    level: str
    side: str
    dermatome: str
    since: int
    speed_um_s: int
    fastest_um_s: int
    from_um: int
    deepest_um: int
    force_mn: int


@dataclass(frozen=True)
class TouchState:
    """contacts: what the tip touches now, oldest first. trail_um: where it was in the last ticks (empty: not placed)."""

    contacts: tuple[Contact, ...] = ()
    trail_um: tuple[tuple[int, ...], ...] = ()

    def quantised(self, step_um: int) -> bytes:
        """Return the contacts as bytes for a digest; nothing while nothing is touched."""
        return plain(*(part for contact in self.contacts for part in contact[:6])) if self.contacts else b""
