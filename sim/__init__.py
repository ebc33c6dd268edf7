"""The simulator core: pure values, engines and the attempt that wires them (docs/ARCHITECTURE.md)."""

ENGINE_VERSION = "0.5.0"
"""Raised whenever the same commands could give another score (CHANGELOG.md says what changed)."""
