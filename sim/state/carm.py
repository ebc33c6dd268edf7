"""State of the C-arm: where it is, what it radiates, what the last picture was."""

from __future__ import annotations

from dataclasses import dataclass

from sim.state.quantise import plain


@dataclass(frozen=True)
class CArmState:
    """Angles in millidegrees, lengths in um, all integers. `*_target` is where the machine is moving to.

    beam: "" off, "live" or "dsa" while a pedal is down (a single shot begins and ends within its tick).
    run_*: the exposure in progress; run_last_given_nl: what the syringe had given at the last tick of it, in
    nanolitres. iris_permille: radius of the open disc over half the detector's side (1500: wide open, past the
    corners). boost: high-level fluoroscopy. pulse_phase: thousandths of a pulse interval since the last pulse.
    last_picture_tick: tick of the newest pulse (last-image hold), -1 before any. kvp and mas: technique of the
    newest pulse. dap and kerma are totals of the attempt.
    """

    primary_mdeg: int = 0
    secondary_mdeg: int = 0
    primary_target_mdeg: int = 0
    secondary_target_mdeg: int = 0
    centre_um: tuple[int, int, int] = (0, 0, 0)
    centre_target_um: tuple[int, int, int] = (0, 0, 0)
    half_width_permille: int = 1000
    half_height_permille: int = 1000
    iris_permille: int = 1500
    boost: bool = False
    magnification: int = 0
    pulses_per_10s: int = 80
    beam: str = ""
    run_start_tick: int = -1
    run_pulses: int = 0
    run_dap_pgy_m2: int = 0
    run_kerma_ngy: int = 0
    run_mas_x1000: int = 0
    run_injected_nl: int = 0
    run_last_given_nl: int = 0
    run_agent_kind: str = ""
    run_saw_needle: bool = False
    run_saw_contrast: bool = False
    pulse_phase: int = 0
    kvp_x10: int = 0
    mas_x1000: int = 0
    last_picture_tick: int = -1
    pictures: int = 0
    beam_on_ms: int = 0
    dap_pgy_m2: int = 0
    kerma_ngy: int = 0
    swivel_mdeg: int = 0
    swivel_target_mdeg: int = 0

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest (all integers already); the swivel only where it was used."""
        here = plain(*(getattr(self, name) for name in self.__dataclass_fields__ if not name.startswith("swivel")))
        return here + plain(self.swivel_mdeg, self.swivel_target_mdeg) if self.swivel_mdeg or self.swivel_target_mdeg else here
