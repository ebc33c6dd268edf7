"""State of the patient as a person: breathing, pain, vitals."""

from __future__ import annotations

from dataclasses import dataclass

from sim.state.quantise import plain


@dataclass(frozen=True)
class PatientState:
    """heart_rate_bpm etc. as monitored; said_tick: last time the patient spoke; pain 0..10."""

    heart_rate_bpm: int = 72
    systolic_mmhg: int = 128
    spo2_percent: int = 98
    pain: int = 0
    said_tick: int = -10_000
    breath_phase_permille: int = 0

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest."""
        return plain(*(getattr(self, name) for name in self.__dataclass_fields__))
