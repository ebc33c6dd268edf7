"""The window: a door of the core. It turns hands into commands and state into pictures, nothing else.

Importing this package needs no display, no OpenGL and no ImGui; `run_window` and `measure_fps` load them.
"""

from __future__ import annotations

from sim.window.desk import Attempt, Desk, PatientCard, Recorder, ScenarioCard
from sim.window.start import measure_fps, run_window

__all__ = ["Attempt", "Desk", "PatientCard", "Recorder", "ScenarioCard", "measure_fps", "run_window"]
