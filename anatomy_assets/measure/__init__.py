"""Measures taken from a baked phantom (grids, meshes, tubes, labels), never from its parameters.

Landmarks serve as places to start looking from; lengths and angles come from the surfaces that are met. Keys are
`<measure>.<level>` or `<measure>.<level>.<side>`, unit in the name; morphometry/published.csv names them.
"""

from __future__ import annotations

from anatomy_assets.measure import pelvis, sacral, segments, soft, vertebrae
from sim.phantom import Phantom


def measure(phantom: Phantom) -> dict[str, float]:
    """Return every measure of a phantom by key."""
    out = vertebrae.measures(phantom) | segments.measures(phantom) | pelvis.measures(phantom)
    bones = {b.name: b for b in phantom.bones}
    out |= sacral.measures(bones, phantom.landmarks) if "ilium_left" in bones else {}
    return out | (soft.measures(phantom) if phantom.tubes else {})
