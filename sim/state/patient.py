"""State of the patient as a person: breathing, pain, vitals."""

from __future__ import annotations

from dataclasses import dataclass

from sim.state.quantise import plain


@dataclass(frozen=True)
class PatientState:
    """heart_rate_bpm etc. as monitored; said_tick: last time the patient spoke; pain 0..10. All integers.

    rest: heart rate, systolic pressure and saturation of this patient at rest. told, told_tick: the vitals
    last reported. said: what was said last. pending: (due tick, what, adverse event or "", grade) of what
    will be felt.
    numb: (x um, z um, from tick) of infiltrated skin. drop_mmhg: how far the pressure will fall from
    drop_tick on. dose_ug: local anaesthetic given into vessels. faint_tick: a faint begins (-1: none).
    fear: this patient faints easily. said_side: side of what was said last. patience_permille: 0 ends cooperation. lung_tick: a
    collapsed lung is felt from here (-1: none). spinal_ug: lidocaine equivalents in the sac; high_tick: they take the breath.
    """

    heart_rate_bpm: int = 72
    systolic_mmhg: int = 128
    spo2_percent: int = 98
    pain: int = 0
    said_tick: int = -10_000
    breath_phase_permille: int = 0
    rest: tuple[int, int, int] = (72, 128, 98)
    told: tuple[int, int, int] = (72, 128, 98)
    told_tick: int = -10_000
    said: tuple[str, str] = ("", "")
    pending: tuple[tuple[int, str, str, int], ...] = ()
    numb: tuple[tuple[int, int, int], ...] = ()
    drop_mmhg: int = 0
    drop_tick: int = 0
    dose_ug: int = 0
    faint_tick: int = -1
    fear: bool = False
    said_side: str = ""
    patience_permille: int = 1000
    lung_tick: int = -1
    spinal_ug: int = 0
    high_tick: int = -1

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest."""
        return plain(*(getattr(self, name) for name in self.__dataclass_fields__))
