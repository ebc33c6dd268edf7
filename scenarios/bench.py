"""`main.py bench`: speed and memory of this build on this machine. Ratios within one run; never a test."""

from __future__ import annotations

import itertools
import json
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.patient import build
from anatomy_assets.population import PatientOptions
from scenarios.beam_tables import load_beam
from scenarios.headless import run_script
from scenarios.operators import find_operator
from scenarios.pictures import still_view
from scenarios.registry import find_scenario
from scenarios.study import make_phantom, make_study
from sim import needle
from sim.command import IDLE, Command
from sim.errors import MachineError
from sim.fields import Fields, bone_distance, bone_distance_one
from sim.jit import jit
from sim.lead import ITERATIONS, LINK_MM, STEP_S, STEPS
from sim.lead_chain import Base, Chain, Medium, built
from sim.phantom import Phantom
from sim.picture import Imager
from sim.projector import Projector
from sim.projector_gl import GlProjector, projector_of
from sim.scene import Scene, make_scene
from sim.session import TICKS_PER_SECOND, Session, begin
from sim.state import Study
from sim.view import View

Row = dict[str, Any]
Progress = Callable[[str, float], None]
SCENARIO = "tfesi-l4l5-right"
FULL_PX = 1024
"""Pixels of a real flat panel's picture: the goals of whole pictures are stated for it."""


def measure(what: str, size: int, out: Path | None, progress: Progress) -> list[Row]:
    """Return the rows of one benchmark or of all of them ("all"; "window" is measured by its own door)."""
    rows: list[Row] = []
    for name, bench in BENCHES.items():
        if what in (name, "all"):
            progress(f"measuring {name}", 0.1)
            rows += bench(size, out, progress)
    rows.append(_row("memory", "peak resident memory", round(_peak_mib()), "MiB", "<= 2048"))
    return rows


def table(rows: list[Row]) -> str:
    """Return rows as aligned text."""
    lines = [f"{row['bench']:<9} {row['what']:<58} {row['value']:>10} {row['unit']:<14} {row.get('goal', '')}" for row in rows]
    return "\n".join(lines)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def _row(bench: str, what: str, value: float, unit: str, goal: str = "") -> Row:
    return {"bench": bench, "what": what, "value": value, "unit": unit, "goal": goal}


def _median_ms(act: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    act()
    times = []
    for _ in range(repeats):
        start = clock()
        act()
        times.append(1e3 * (clock() - start))
    return statistics.median(times)


def _anatomy(size: int, out: Path | None, progress: Progress) -> list[Row]:
    start = time.perf_counter()
    phantom = build(0, PatientOptions(), progress, use_cache=False)
    cold = time.perf_counter() - start
    scenario = find_scenario(SCENARIO)
    make_phantom(scenario, 1, progress)
    warm = _median_ms(lambda: make_phantom(scenario, 1), 5) / 1e3
    work = _median_ms(_reference_work, 3) / 1e3
    points = _near(phantom)
    one = _median_ms(lambda: _distances(phantom.fields, points, True), 5)
    every = _median_ms(lambda: _distances(phantom.fields, points, False), 5)
    return [
        _row("anatomy", "bake of a patient, nothing cached", round(cold, 1), "s", "<= 30"),
        _row("anatomy", "patient from the cache", round(warm, 2), "s", "<= 0.5"),
        _row("anatomy", "bake / load", round(cold / warm), "x"),
        _row("anatomy", "reference work: sort 4 million numbers, one core", round(work, 2), "s"),
        _row("anatomy", "bake / reference work", round(cold / work), "x"),
        _row("anatomy", "load / reference work", round(warm / work, 2), "x"),
        _row("anatomy", "distance queries to one bone, one core", round(len(points) / one / 1e3, 1), "million/s", ">= 2"),
        _row("anatomy", "distance queries to the nearest bone, one core", round(len(points) / every / 1e3, 1), "million/s"),
    ]


def _reference_work() -> float:
    """Do a fixed piece of work on one core: what other times of the same run are told in, on whatever machine."""
    return float(np.sort(np.random.Generator(np.random.Philox(key=7)).random(4_000_000))[2_000_000])


def _near(phantom: Phantom) -> NDArray[np.float64]:
    """Return points spread round the first bone, as a needle would ask for them."""
    bone = phantom.bones[0]
    spread = np.random.Generator(np.random.Philox(key=0)).random((200_000, 3))
    low, high = bone.shell_vertices.min(axis=0), bone.shell_vertices.max(axis=0)
    return np.ascontiguousarray(bone.to_patient(low + spread * (high - low)), np.float64)


@jit
def _distances(f: Fields, points: NDArray[np.float64], one: bool) -> float:
    total = 0.0
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        if one:
            total += bone_distance_one(f, 0, x, y, z)
        else:
            total += bone_distance(f, x, y, z)[0]
    return total


def _fluoro(size: int, out: Path | None, progress: Progress) -> list[Row]:
    study = make_study(find_scenario(SCENARIO), 1, progress=progress)
    scene = make_scene(study.phantom)
    views = [still_view(study, primary, 0)[1] for primary in (0, -25_000, -90_000, 15_000)]
    rows: list[Row] = []
    for pixels in dict.fromkeys((size, FULL_PX)):
        rows += _pictures(scene, views, pixels)
    if out is not None:
        _export_poses(study, views, size, out)
    return [*rows, *_opengl(scene, views)]


def _pictures(scene: Scene, views: list[View], size: int) -> list[Row]:
    """Return how long line integrals and whole pictures take, with the C-arm moving and with only the needle moving."""
    projector, imager = Projector(scene), Imager(scene, load_beam())
    turn, shift = itertools.cycle(views), itertools.cycle(_needle_views(views[0]))
    moving = _median_ms(lambda: projector.draw(next(turn), size), 16)
    picture = _median_ms(lambda: imager.picture(next(turn), size), 16)
    device = _median_ms(lambda: projector.draw(next(shift), size), 16)
    still = _median_ms(lambda: imager.picture(next(shift), size), 16)
    busy_still = _median_ms(lambda: imager.picture(next(shift), size), 16, time.process_time)
    busy = _median_ms(lambda: imager.picture(next(turn), size), 16, time.process_time)
    full = size == FULL_PX
    goals = ("", "<= 66 (15 a s)", "<= 16 (60 a s)") if full else ("<= 6", "", "")
    return [
        _row("fluoro", f"line integrals, C-arm moving, {size} px", round(moving, 1), "ms"),
        _row("fluoro", f"line integrals, only the needle moving, {size} px", round(device, 1), "ms", goals[0]),
        _row("fluoro", f"whole picture, C-arm moving, {size} px", round(picture, 1), "ms", goals[1]),
        _row("fluoro", f"whole picture, only the needle moving, {size} px", round(still, 1), "ms", goals[2]),
        _row("fluoro", f"whole picture, C-arm moving, {size} px: work of all cores together", round(busy, 1), "ms"),
        _row(
            "fluoro", f"whole picture, only the needle moving, {size} px: work of all cores together", round(busy_still, 1), "ms"
        ),
        _row("fluoro", f"moving / only the needle, {size} px", round(moving / device, 1), "x"),
    ]


def _opengl(scene: Scene, views: list[View]) -> list[Row]:
    """Return the same line integrals by OpenGL and how far they are from the CPU's; nothing where there is no OpenGL."""
    try:
        theirs = projector_of(scene, "gl")
    except MachineError:
        return []
    turn, mine = itertools.cycle(views), Projector(scene)
    took = _median_ms(lambda: theirs.draw(next(turn), FULL_PX), 8)
    apart = np.abs(np.expm1(theirs.line_integrals_60kev(views[0], FULL_PX) - mine.line_integrals_60kev(views[0], FULL_PX)))
    name = theirs.renderer.split("(")[0].strip() if isinstance(theirs, GlProjector) else ""
    far = float(np.percentile(apart, 99.9))
    return [
        _row("fluoro", f"OpenGL ({name}): line integrals, moving, {FULL_PX} px", round(took, 1), "ms"),
        _row("fluoro", "OpenGL against CPU: relative difference, 99.9th percentile", round(far, 6), "", "<= 0.001"),
    ]


def _needle_views(view: View) -> list[View]:
    """Return the same view with a needle in four depths."""
    centre = 0.5 * (view.pose.source_mm + view.pose.detector_mm)
    shaft = np.linspace(centre + np.array([0.0, 80.0, 0.0]), centre, 33)
    return [replace(view, needle_mm=shaft - np.array([0.0, step, 0.0]), needle_outer_mm=0.7) for step in (0.0, 1.0, 2.0, 3.0)]


def _export_poses(study: Study, views: list[View], size: int, out: Path) -> None:
    """Write poses.json and pose_NNN.npy of the bare exported meshes."""
    projector = Projector(make_scene(study.phantom, soft_tissue=False))
    poses = []
    for k, view in enumerate(views):
        np.save(out / f"pose_{k:03d}.npy", projector.line_integrals_60kev(view, size))
        pose = view.pose
        poses.append(
            {
                "source_mm": pose.source_mm.tolist(),
                "detector_mm": pose.detector_mm.tolist(),
                "right": pose.right.tolist(),
                "up": pose.up.tolist(),
                "pixel_mm": pose.side_mm / size,
                "size": size,
            }
        )
    (out / "poses.json").write_text(json.dumps(poses))


def _needle(size: int, out: Path | None, progress: Progress) -> list[Row]:
    study = make_study(find_scenario(SCENARIO), 1, progress=progress)
    target = [round(float(c) * 1000) for c in study.plan.target_mm]

    def drive(ticks: int) -> tuple[float, int]:
        session = Session(study)
        session.send(Command("needle.choose", (0,)), Command("needle.place", (target[0] - 25_000, target[2], 25_000, 0)))
        for _ in range(10):
            session.tick()
        session.send(Command("needle.move", (50_000, 5_000)))
        session.tick()
        start = time.perf_counter()
        for _ in range(ticks):
            session.tick()
        return time.perf_counter() - start, ticks

    drive(20)
    seconds, ticks = drive(800)
    touching = _touching(study)
    return [
        {
            "bench": "needle",
            "what": "moving needle: cost of 1 ms (whole tick / 10)",
            "value": round(1e5 * seconds / ticks, 1),
            "unit": "us",
        },
        {
            "bench": "needle",
            "what": "moving needle: simulated / real time",
            "value": round(ticks / TICKS_PER_SECOND / seconds),
            "unit": "x",
        },
        _row("needle", "moving and touching bone: 1 ms of the needle, median", round(touching[0], 1), "us", "<= 15"),
        _row("needle", "the same, 99th percentile", round(touching[1], 1), "us", "<= 100"),
        *_lead(),
    ]


def _touching(study: Study) -> tuple[float, float]:
    """Return median and 99th percentile (us per ms) of the needle's engine, levered to and fro beside bone."""
    target = [round(float(c) * 1000) for c in study.plan.target_mm]
    state, times = begin(study)[0], []
    todo = [Command("needle.choose", (0,)), Command("needle.place", (target[0] - 25_000, target[2], 25_000, 0))]
    todo.append(Command("needle.move", (70_000, 20_000)))
    for lean in (4_000, -4_000, 3_000, -3_000) * 3:
        todo += [Command("needle.move", (-3_000, 10_000)), Command("needle.tilt", (25_000 + lean, lean))]
        todo.append(Command("needle.move", (6_000, 10_000)))
    while todo or state.needle.moving:
        command = todo.pop(0) if todo and not state.needle.moving else IDLE
        start = time.perf_counter()
        after, _ = needle.advance(study, state, command)
        if after.moving:
            times.append(1e5 * (time.perf_counter() - start))
        state = replace(state, tick=state.tick + 1, needle=after)
    return statistics.median(times), float(np.percentile(times, 99))


def _lead() -> list[Row]:
    """Return the cost of a lead of 24 links (192 mm) in a walled canal: one step of 1 ms, and building its space."""
    links = tuple((LINK_MM * (k + 0.5), 0.01 * k * k, 0.0025 * k, 5.0, 0.0, 0.0) for k in range(24))
    chain = Chain(LINK_MM, 0.65, (100.0,) * 24, (0.0,) * 22 + (0.1, 0.1))
    walls = ((-100.0, 20.0, 400.0, 20.0), (-100.0, -20.0, 400.0, -20.0))
    medium, base = Medium(1.5e-5, 0.004, 0.02, walls), Base(0.0, 0.0, 0.0, 0.0, 5.0)
    build_us, step_us = [], []
    for _ in range(60):
        start = time.perf_counter()
        space = built(links, chain, base, medium, STEP_S, ITERATIONS)[0]
        middle = time.perf_counter()
        for _ in range(STEPS):
            space.step(STEP_S)
        step_us.append(1e6 * (time.perf_counter() - middle) / STEPS)
        build_us.append(1e6 * (middle - start))
    return [
        _row("needle", "lead of 24 links: one step of 1 ms, median", round(statistics.median(step_us), 1), "us", "<= 60"),
        _row("needle", "lead of 24 links: building its space, every second tick", round(statistics.median(build_us)), "us"),
    ]


def _session(size: int, out: Path | None, progress: Progress) -> list[Row]:
    scenario = find_scenario(SCENARIO)
    study = make_study(scenario, 1, progress=progress)

    def attempt() -> tuple[float, float]:
        session = Session(study)

        def tick(command: Command) -> tuple[Any, Any]:
            if command.op != "idle":
                session.send(command)
            _, new = session.tick()
            return session.state, new

        start = time.perf_counter()
        state = run_script(study, scenario, find_operator(scenario, "expert"), tick, session.state)
        return time.perf_counter() - start, state.tick / TICKS_PER_SECOND

    attempt()
    seconds, simulated = attempt()
    return [
        _row("session", "expert's attempt without pictures, simulated", round(simulated), "s"),
        _row("session", "expert's attempt without pictures, real", round(seconds, 2), "s"),
        _row("session", "simulated / real time", round(simulated / seconds), "x", ">= 20"),
    ]


BENCHES: dict[str, Callable[[int, Path | None, Progress], list[Row]]] = {
    "anatomy": _anatomy,
    "fluoro": _fluoro,
    "needle": _needle,
    "session": _session,
}
