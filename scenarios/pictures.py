"""Pictures of a scenario's patient as files: PNG, DICOM XA, NumPy line integrals."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scenarios.beam_tables import load_beam
from scenarios.dicom_file import dicom_bytes
from scenarios.registry import Scenario
from scenarios.study import make_study
from sim.carm import at_rest
from sim.command import Command
from sim.phantom import Phantom
from sim.picture import Imager, render
from sim.projector_gl import projector_of
from sim.scene import Scene, make_scene
from sim.session import advance, begin, view
from sim.state import State, Study
from sim.view import View

Progress = Callable[[str, float], None]


def middle_of(phantom: Phantom, level: str) -> NDArray[np.float64]:
    """Return the middle of a level (3,): of its vertebral body; of the sacrum, which has no body of its own, of its canal."""
    return phantom.landmark(f"{level}.canal.centre" if level == "S1" else f"{level}.body.centre")


def still_view(study: Study, primary_mdeg: int, secondary_mdeg: int, swivel_mdeg: int = 0) -> tuple[State, View]:
    """Return the state and view of a single shot at these angles, centred on the target, made through commands alone."""
    state, _ = begin(study)
    target = [round(float(c) * 1000.0) for c in study.plan.target_mm]
    body = middle_of(study.phantom, study.plan.level) if study.plan.level else study.plan.target_mm  # a block of gel has none
    centre = (round(float(body[0]) * 1000.0), target[1], target[2])
    sent = [Command("carm.centre", centre), Command("carm.to", (primary_mdeg, secondary_mdeg))]
    for command in [*sent, Command("carm.swivel", (swivel_mdeg,))] if swivel_mdeg else sent:
        state, _ = advance(study, state, command)
    while not at_rest(state.carm):
        state, _ = advance(study, state)
    state, _ = advance(study, state, Command("xray.shot"))
    for _ in range(100):
        if state.carm.pictures:
            break
        state, _ = advance(study, state)
    return state, replace(view(study, state), patient_mm=np.zeros(3))  # breath held: the patient lies where the meshes do


def picture_bytes(
    scenario: Scenario,
    seed: int,
    primary_mdeg: int,
    secondary_mdeg: int,
    size: int,
    kind: str,
    progress: Progress | None = None,
    backend: str = "cpu",
    swivel_mdeg: int = 0,
) -> bytes:
    """Return one picture as the bytes of a file; kind is ".png", ".dcm" or ".npy".

    .npy holds float32 (size, size) attenuation line integrals at 60 keV before noise, row 0 at the top.
    """
    study = make_study(scenario, seed, progress=progress)
    if progress:
        progress("making the picture (compiling on the first run)", 0.95)
    _, now = still_view(study, primary_mdeg, secondary_mdeg, swivel_mdeg)
    scene = make_scene(study.phantom)
    if kind == ".npy":
        return _npy(projector_of(scene, backend).line_integrals_60kev(now, size))
    grey = render(scene, load_beam(), now, size, backend=backend)
    return png_bytes(grey) if kind == ".png" else dicom_bytes(grey, now, study)


def cine_bytes(
    scenario: Scenario,
    seed: int,
    primary_mdeg: int,
    secondary_mdeg: int,
    size: int,
    frames: int,
    progress: Progress | None = None,
    backend: str = "cpu",
    swivel_mdeg: int = 0,
) -> bytes:
    """Return a live run of `frames` pulses as the bytes of a multi-frame DICOM file: the pedal is pressed, nothing else moves."""
    study = make_study(scenario, seed, progress=progress)
    state, _ = still_view(study, primary_mdeg, secondary_mdeg, swivel_mdeg)
    imager, start = Imager(make_scene(study.phantom), load_beam(), backend=backend), state.carm.pictures
    made: list[tuple[NDArray[np.uint8], View]] = []
    state, _ = advance(study, state, Command("xray.pedal", (1,)))
    while len(made) < frames:
        if state.carm.pictures > start + len(made):
            now = view(study, state)
            made.append((imager.live(now, size), now))
            if progress:
                progress("making the run", 0.5 + 0.5 * len(made) / frames)
        state, _ = advance(study, state)
    return dicom_bytes(np.stack([m[0] for m in made]), made[0][1], study, 10_000 // state.carm.pulses_per_10s)


def view_png(scene: Scene, now: View, size: int) -> bytes:
    """Return the picture of a view as PNG bytes."""
    return png_bytes(render(scene, load_beam(), now, size))


def png_bytes(grey: NDArray[np.uint8]) -> bytes:
    """Return a grey picture (n, n) uint8 as PNG bytes."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(grey).save(out, "PNG", optimize=False)
    return out.getvalue()


def _npy(array: NDArray[np.float32]) -> bytes:
    out = io.BytesIO()
    np.save(out, array.astype(np.float32))
    return out.getvalue()
