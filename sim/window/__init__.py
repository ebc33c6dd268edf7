"""The window: a door of the core. It turns hands into commands and state into pictures, nothing else.

Importing this package needs no display, no OpenGL and no ImGui; its functions load them.
"""

from __future__ import annotations

from sim.window.desk import Attempt, Desk, PatientCard, Progress, ScenarioCard, Stage, Step, Suggestion
from sim.window.start import drive, measure_window, require_display, run_window

__all__ = [
    "Attempt",
    "Desk",
    "PatientCard",
    "Progress",
    "ScenarioCard",
    "Stage",
    "Step",
    "Suggestion",
    "drive",
    "measure_window",
    "require_display",
    "run_window",
]
