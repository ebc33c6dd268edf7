"""State of the local anaesthetic in the patient: which nerves it lies on, how much was given and where."""

from __future__ import annotations

from dataclasses import dataclass

from sim.state.quantise import plain


@dataclass(frozen=True)
class BlockState:
    """All integers and names.

    nerves: (name of the nerve, index of the drug in the toolbox, concentration in ug/mL there), one row per nerve: the strongest.
    given_ug: dose by drug in the order of the toolbox, wherever it went. vascular_ug, intrathecal_ug: lidocaine equivalents
    that went into vessels and into the sac (subdural space included); intrathecal_ul: volume; from_level: the highest place.
    """

    nerves: tuple[tuple[str, int, int], ...] = ()
    given_ug: tuple[int, ...] = ()
    vascular_ug: int = 0
    intrathecal_ug: int = 0
    intrathecal_ul: int = 0
    from_level: str = ""

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest; nothing without local anaesthetic."""
        return plain(*(getattr(self, name) for name in self.__dataclass_fields__)) if any(self.given_ug) else b""
