"""Measures taken from a baked phantom (grids, meshes, tubes, labels), never from its parameters.

Every module of this package with a function `measures(phantom) -> dict[str, float]` takes part. Landmarks
serve as places to start looking from; lengths and angles come from the surfaces that are met. Keys are
`<measure>.<level>` or `<measure>.<level>.<side>`, unit in the name; morphometry/published.csv names them.
"""

from __future__ import annotations

import importlib
import pkgutil

from sim.phantom import Phantom


def measure(phantom: Phantom) -> dict[str, float]:
    """Return every measure of a phantom by key."""
    out: dict[str, float] = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "measures"):
            out |= module.measures(phantom)
    return out
