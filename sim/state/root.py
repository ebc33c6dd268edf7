"""Study (what never changes in an attempt) and State (all that changes), with their hashes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from sim import ENGINE_VERSION
from sim.clinic import Demand
from sim.phantom import Phantom
from sim.plan import Plan
from sim.state.block import BlockState
from sim.state.carm import CArmState
from sim.state.cement import CementState
from sim.state.drill import DrillState
from sim.state.heat import HeatState
from sim.state.lead import LeadState
from sim.state.needle import NeedleState
from sim.state.patient import PatientState
from sim.state.procedure import ProcedureState
from sim.state.spread import SpreadState
from sim.state.touch import TouchState
from sim.tools import Toolbox


@dataclass(frozen=True)
class Study:
    """One patient, one task, one set of tools.

    `scenario_hash` covers the scenario's files, `tools_hash` the tool and tissue data, `rubric_hash` the
    rubric; `mode` is "practice" or "assessment". `chart`: what the patient's chart asks for (part of the scenario's files).
    """

    scenario: str
    scenario_hash: str
    tools_hash: str
    rubric_hash: str
    seed: int
    mode: str
    phantom: Phantom
    plan: Plan
    toolbox: Toolbox
    chart: tuple[Demand, ...] = ()

    @cached_property
    def hash(self) -> str:
        """SHA-256 over everything that can touch a score, the engine version included."""
        parts = (
            ENGINE_VERSION,
            self.scenario,
            self.scenario_hash,
            self.tools_hash,
            self.rubric_hash,
            str(self.seed),
            self.mode,
            self.phantom.content_hash,
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class State:
    """All that changes. `chain` is a running SHA-256 over the study hash and every command (with its tick)."""

    tick: int = 0
    carm: CArmState = field(default_factory=CArmState)
    needle: NeedleState = field(default_factory=NeedleState)
    spread: SpreadState = field(default_factory=SpreadState)
    patient: PatientState = field(default_factory=PatientState)
    procedure: ProcedureState = field(default_factory=ProcedureState)
    lead: LeadState = field(default_factory=LeadState)
    heat: HeatState = field(default_factory=HeatState)
    chain: bytes = b""
    cement: CementState = field(default_factory=CementState)
    touch: TouchState = field(default_factory=TouchState)
    block: BlockState = field(default_factory=BlockState)
    drill: DrillState = field(default_factory=DrillState)

    def digest(self, step_um: int = 1) -> str:
        """Return SHA-256 (hex) of the state with lengths rounded to step_um."""
        rounded = b"|".join(
            part.quantised(step_um) for part in (self.carm, self.needle, self.spread, self.patient, self.procedure)
        )
        if self.cement.used:
            rounded += b"|" + self.cement.quantised(step_um)
        if self.lead.lead >= 0:
            rounded += b"|" + self.lead.quantised(step_um)
        rounded += self.heat.quantised(step_um)  # nothing where no generator was used
        rounded += self.touch.quantised(step_um) + self.block.quantised(step_um)  # nothing while the tip touches nothing
        rounded += self.drill.quantised(step_um)  # nothing outside drills
        return hashlib.sha256(self.tick.to_bytes(8, "little") + self.chain + rounded).hexdigest()
