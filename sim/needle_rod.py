"""The needle in the hand as the kernel needs it: stiffness with its stylet, bend, fingers, introducer; how tissues meet it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.bending import bending_stiffness
from sim.phantom import Tissue
from sim.rng import stream
from sim.shaft import Rod
from sim.state import NeedleState, Study
from sim.tools import Introducer, Needle, Toolbox

F64 = NDArray[np.float64]

BONE_LABELS = (int(Tissue.BONE_CORTEX), int(Tissue.BONE_CANCELLOUS))


def shape_of(study: Study, needle: NeedleState) -> Needle:
    """Return the tool in use (needle.needle must not be -1)."""
    return study.toolbox.needles[needle.needle]


PI = 3.141592653589793
FIRM = 1000.0
"""How much stiffer than itself a shaft is between hub and fingers: straight, to a micrometre."""
RAD_PER_MDEG = 1.7453292519943295e-05


@lru_cache(maxsize=256)
def _rod(tool: Needle, stylet: bool, grip_um: int, bend_mdeg: int, around: Introducer | None, hand: tuple[float, ...]) -> Rod:
    stiffness, most, step, contact, grip, turn, tilt, blocked, side, edge, share, factor = hand
    ei = bending_stiffness(tool.outer_diameter_mm, tool.inner_diameter_mm, tool.young_gpa)
    if stylet and tool.stylet_diameter_mm > 0.0:
        ei += bending_stiffness(tool.stylet_diameter_mm, 0.0, tool.young_gpa)
    bend = tool.bend_mrad * 0.001 + bend_mdeg * RAD_PER_MDEG
    radius, guide = 0.5 * tool.outer_diameter_mm, 0.0
    if around is not None:
        guide = bending_stiffness(around.outer_diameter_mm, around.inner_diameter_mm, around.young_gpa)
    return Rod(
        length=tool.length_mm,
        radius=radius,
        point=min(edge, radius) if tool.bores else radius,
        ei=ei,
        kick=tool.alpha_mrad * 0.001 - (1.0 - share) * bend,
        curl=bend / tool.bend_length_mm,
        curl_mm=tool.bend_length_mm if bend != 0.0 else 0.0,
        held_mm=grip_um * 0.001,
        held_ei=FIRM * ei if grip_um > 0 else 0.0,
        guide_mm=0.0 if around is None else around.length_mm,
        guide_ei=guide,
        stiffness=stiffness,
        most_n=most,
        step_mm=step,
        contact=contact,
        grip=grip,
        turn=int(turn) // 1000,
        tilt=int(tilt) // 1000,
        blocked_ms=int(blocked),
        bores=tool.bores,
        side_n_per_mm=side * PI * tool.outer_diameter_mm,
        bone_factor=factor,
    )


_HAND = (
    "hand_stiffness_n_per_mm", "hand_max_n", "step_limit_mm", "contact_n_per_mm",
    "grip_mm", "turn_rate_mdeg_s", "tilt_rate_mdeg_s", "blocked_ms", "bone_side_n_per_mm2", "bone_edge_mm",
    "bend_share",
)  # fmt: skip


def rod_of(study: Study, me: NeedleState) -> Rod:
    """Return the needle in the hand as the kernel needs it: with its stylet, its bend, the fingers and the introducer."""
    box = study.toolbox
    hand = *(box.constant(f"needle.{name}") for name in _HAND), _bone_factor(study.seed, box.constant("needle.bone_cv"))
    around = None if me.introducer < 0 else box.introducers[me.introducer]
    return _rod(shape_of(study, me), me.stylet, me.grip_um, me.bend_mdeg, around, hand)


@lru_cache(maxsize=64)
def _bone_factor(seed: int, cv: float) -> float:
    """Return how hard this patient's bone is to drive through, mean 1: uniform with that coefficient of variation."""
    return 1.0 + 1.7320508075688772 * cv * (2.0 * float(stream(seed, "needle bone").random()) - 1.0)


REFERENCE_MM = 0.718
"""Outer diameter (22G) for which the forces of tissues.toml hold; they scale with the diameter (placeholder)."""


def rows_of(toolbox: Toolbox, tool: Needle) -> F64:
    """Return the tissue table (label, 5): foundation N/mm2, cut N, friction N/mm, puncture N, membrane N/mm."""
    twist = toolbox.constant("needle.bone_twist_share") if tool.bores else 1.0
    return _rows(toolbox.tissues, tool.outer_diameter_mm, twist)


@lru_cache(maxsize=64)
def _rows(tissues: tuple[Any, ...], outer_mm: float, twist: float) -> F64:
    scale = outer_mm / REFERENCE_MM
    return np.array(
        [
            [
                t.foundation_n_per_m2 * 1e-6,
                t.cut_n * scale,
                t.friction_n_per_mm * scale * (twist if t.label in BONE_LABELS else 1.0),
                t.puncture_n * scale,
                t.membrane_n_per_mm * scale,
            ]
            for t in tissues
        ]
    )
