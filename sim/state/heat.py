"""State of the radiofrequency generator: what is connected, what it heats, which stretches of nerve it destroyed."""

from __future__ import annotations

from dataclasses import dataclass

from sim.state.quantise import plain


@dataclass(frozen=True)
class HeatState:
    """All integers. electrode: index in the toolbox, -1 when none is connected.

    goal_mc: set temperature in millidegrees Celsius, 0 when it does not heat; temperature_mc: at the tip now;
    goal_ticks: how long the set temperature is to last; held_ticks: how long it has lasted. warned: tubes that the growing
    lesion has reached. lesions: made so far. burnt: (tube, from um, to um) along the tube's axis, merged and in order.
    """

    electrode: int = -1
    goal_mc: int = 0
    temperature_mc: int = 0
    goal_ticks: int = 0
    held_ticks: int = 0
    warned: tuple[int, ...] = ()
    lesions: int = 0
    burnt: tuple[tuple[int, int, int], ...] = ()

    @property
    def heating(self) -> bool:
        """True while the generator heats."""
        return self.goal_mc > 0

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest; nothing as long as no generator was used."""
        if self == HeatState():
            return b""
        return plain(*(getattr(self, name) for name in self.__dataclass_fields__))
