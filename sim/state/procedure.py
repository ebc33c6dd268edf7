"""State of the procedure: the phase, and which steps were done."""

from __future__ import annotations

from dataclasses import dataclass

from sim.state.quantise import plain


@dataclass(frozen=True)
class ProcedureState:
    """phase: a name of sim.procedure.PHASES; done: the steps taken, in order; finished: the attempt is over."""

    phase: str = "chart"
    done: tuple[str, ...] = ()
    finished: bool = False

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest."""
        return plain(self.phase, self.done, self.finished)
