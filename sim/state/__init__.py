"""Everything that changes in an attempt (State) and everything that does not (Study)."""

from sim.state.block import BlockState
from sim.state.carm import CArmState
from sim.state.cement import CementFront, CementState
from sim.state.drill import DrillState
from sim.state.heat import HeatState
from sim.state.lead import LeadState
from sim.state.needle import NeedleState
from sim.state.patient import PatientState
from sim.state.procedure import ProcedureState
from sim.state.root import State, Study
from sim.state.spread import SpreadState
from sim.state.touch import Contact, TouchState

__all__ = [
    "BlockState",
    "CArmState",
    "CementFront",
    "CementState",
    "Contact",
    "DrillState",
    "HeatState",
    "LeadState",
    "NeedleState",
    "PatientState",
    "ProcedureState",
    "SpreadState",
    "State",
    "Study",
    "TouchState",
]
