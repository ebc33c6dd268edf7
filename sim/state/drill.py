"""State of a drill: how many questions are answered, and how the last picture was taken."""

from __future__ import annotations

from dataclasses import dataclass

from sim.state.carm import CArmState
from sim.state.quantise import plain


@dataclass(frozen=True)
class DrillState:
    """answered: questions that have an answer; picture: the C-arm as it stood at the last picture since, None without one."""

    answered: int = 0
    picture: CArmState | None = None

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest; nothing before the first picture or answer."""
        if self.answered == 0 and self.picture is None:
            return b""
        seen = b"" if self.picture is None else self.picture.quantised(step_um)
        return b"|" + plain(self.answered) + seen
