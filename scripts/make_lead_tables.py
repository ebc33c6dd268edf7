"""Measure the lead and draw it: the table and the pictures of docs/PHYSICS_LEAD.md.

usage: scripts/make_lead_tables.py [--seed N] [--size PX] [--tables]

--tables measures only (no patient is built). Pictures go to docs/pictures/lead-*.png.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scenarios.beam_tables import load_beam
from scenarios.pictures import still_view
from scenarios.registry import find_scenario
from scenarios.study import make_study
from scenarios.toolbox import load_toolbox
from sim import lead
from sim.command import IDLE, Command
from sim.lead_chain import Base, Chain, Medium, built, moved
from sim.lead_sheet import Sheet, sheet_of
from sim.phantom import Tissue
from sim.picture import render
from sim.scene import make_scene
from sim.state import NeedleState, State, Study

OUT = ROOT / "docs" / "pictures"
H = lead.LINK_MM
PX_PER_MM = 5
INK, GREY, RED, BLUE, PAPER = (30, 30, 30), (170, 170, 170), (190, 40, 30), (30, 80, 170), (255, 255, 255)


def cantilever(links: int, ei: float, share: float) -> float:
    """Return tip deflection of a clamped chain under a dead load over F L^3 / 3EI; share: deflection over length."""
    length = links * H
    load = 3.0 * ei * share / length**2
    rows = tuple((H * (k + 0.5), 0.0, 0.0, 0.0, 0.0, 0.0) for k in range(links))
    chain = Chain(H, 0.65, (ei,) * links, (0.0,) * links)
    medium = Medium(1.5e-5 * ei / 100.0, 0.0, 0.0)
    for _ in range(600):
        rows, _ = moved(rows, chain, Base(0.0, 0.0, 0.0, 0.0, 0.0), medium, 10, 1e-3, lead.ITERATIONS, load)
    return (rows[-1][1] + 0.5 * H * math.sin(rows[-1][2])) / (share * length)


def cost_us(links: int) -> tuple[float, float]:
    """Return (one step of 1 ms, building the space once) in us of CPU time: medians, a lead in a channel."""
    rows = tuple((H * (k + 0.5), 0.01 * k * k, 0.0025 * k, 5.0, 0.0, 0.0) for k in range(links))
    chain = Chain(H, 0.65, (100.0,) * links, (0.0,) * (links - 2) + (0.1, 0.1))
    walls = ((-100.0, 20.0, 400.0, 20.0), (-100.0, -20.0, 400.0, -20.0))
    medium, base = Medium(1.5e-5, 0.004, 0.02, walls), Base(0.0, 0.0, 0.0, 0.0, 5.0)
    step_us, build_us = [], []
    for _ in range(60):
        start = time.thread_time()
        space = built(rows, chain, base, medium, lead.STEP_S, lead.ITERATIONS)[0]
        middle = time.thread_time()
        for _ in range(lead.STEPS):
            space.step(lead.STEP_S)
        step_us.append(1e6 * (time.thread_time() - middle) / lead.STEPS)
        build_us.append(1e6 * (middle - start))
    return statistics.median(step_us), statistics.median(build_us)


def tables() -> None:
    """Print the tables of the page."""
    print("| links | EI (N mm2) | tip / (F L^3 / 3EI), deflection 2 % of L | 10 % of L |\n|---|---|---|---|")
    for links, ei in ((3, 100.0), (6, 100.0), (10, 100.0), (10, 20.0)):
        print(f"| {links} | {ei:.0f} | {cantilever(links, ei, 0.02):.4f} | {cantilever(links, ei, 0.10):.4f} |")
    print("\n| links | length (mm) | step of 1 ms (us) | building the space, every second tick (us) |\n|---|---|---|---|")
    for links in (6, 12, 24, 40):
        step, build = cost_us(links)
        print(f"| {links} | {links * H:.0f} | {step:.0f} | {build:.0f} |")


def begin(study: Study, sheet: Sheet, along_mm: float, across_mm: float) -> State:
    """Return a state in which a 14G Tuohy lies open in the epidural fat, pointing cranially and towards the midline."""
    tip = sheet.to_patient(along_mm, across_mm, "epidural", 0.65)
    _, up, left, dorsal, _ = sheet.section(along_mm)
    way = 0.80 * up - 0.55 * dorsal - math.copysign(0.24, across_mm) * left
    way = way / np.sqrt((way * way).sum())
    needle = NeedleState(
        needle=0,
        placed=True,
        stylet=False,
        entry_mm=tip - 75.0 * way,
        tip_mm=tip,
        tip_direction=way,
        nodes_mm=np.linspace(tip - 90.0 * way, tip, 33),
        tissue=int(Tissue.EPIDURAL_FAT),
    )
    return State(needle=needle)


def rest(study: Study, state: State, command: Command) -> State:
    """Give one command and wait until the lead rests; events are printed."""
    for k in range(4000):
        state = replace(state, tick=state.tick + 1)
        after, events = lead.advance(study, state, command if k == 0 else IDLE)
        state = replace(state, lead=after)
        for fact in events:
            if fact.kind not in ("lead_stopped", "lead_chosen"):
                print(f"  {fact.kind}: {dict(fact.data)}")
        if not after.moving:
            return state
    raise RuntimeError("the lead never came to rest")


def steered(study: Study, sheet: Sheet, state: State, index: int, length_mm: float) -> State:
    """Return the state after pushing in pieces of 10 mm, the bend always turned towards the midline."""
    state = rest(study, state, Command("lead.choose", (index,)))
    for _ in range(round(length_mm / 10.0)):
        me = state.lead
        across = me.nodes[-1][1] if me.nodes else round(10 * sheet.from_patient(state.needle.tip_mm, np.zeros(3))[1])
        heading = me.nodes[-1][1] - me.nodes[-2][1] if len(me.nodes) > 1 else 0
        aim = across + 2 * heading
        wanted = 90_000 if abs(aim) < 10 else 180_000 if aim > 0 else 0
        state = rest(study, state, Command("lead.turn", (wanted - me.roll_mdeg,)))
        state = rest(study, state, Command("lead.insert", (10_000, 10_000)))
        if state.lead.left:
            break
    return state


def pushed(study: Study, state: State, index: int, roll_mdeg: int, length_mm: float) -> State:
    """Return the state after one push with the bend to one side."""
    state = rest(study, state, Command("lead.choose", (index,)))
    state = rest(study, state, Command("lead.turn", (roll_mdeg,)))
    return rest(study, state, Command("lead.insert", (round(length_mm * 1000), 10_000)))


def sheet_picture(sheet: Sheet, runs: list[tuple[str, tuple[int, int, int], State]]) -> Image.Image:
    """Return the unrolled canal, cranial to the right, the patient's left at the top, with a lead per run."""
    half, length = sheet.half_width_mm, sheet.length_mm
    picture = Image.new("RGB", (round(length * PX_PER_MM) + 60, round(2 * half * PX_PER_MM) + 120), PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(15)

    def at(x: float, y: float) -> tuple[float, float]:
        return 30 + x * PX_PER_MM, 40 + (half - y) * PX_PER_MM

    draw.rectangle([*at(0, half), *at(length, -half)], outline=GREY)
    for y, text in ((half / 2, "left edge of the sac"), (0.0, "dorsal midline"), (-half / 2, "right edge of the sac")):
        draw.line([at(0, y), at(length, y)], fill=(220, 220, 220))
        draw.text((at(0, y)[0] + 3, at(0, y)[1] - 17), text, GREY, font)
    for x, y, r in sheet.roots:
        draw.ellipse([*at(x - r, y + r), *at(x + r, y - r)], fill=(250, 220, 120), outline=INK)
    for a, b, c, d in sheet.scars:
        draw.line([at(a, b), at(c, d)], fill=INK, width=4)
    for name, x in sheet.levels:
        if 0.0 <= x <= length:
            draw.text((at(x, half)[0] - 8, 12), name, INK, font)
    for k, (name, colour, state) in enumerate(runs):
        nodes = [at(x / 10, y / 10) for x, y in state.lead.nodes]
        draw.line(nodes, fill=colour, width=6, joint="curve")
        draw.text((30, picture.height - 70 + 20 * k), name, colour, font)
    return picture


def main() -> None:
    """Print the tables; unless told otherwise, build a patient and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--tables", action="store_true")
    asked = parser.parse_args()
    tables()
    if asked.tables:
        return
    study = make_study(find_scenario("tfesi-l4l5-right"), asked.seed)
    tools = load_toolbox()
    tuohy = replace(tools.needles[0], name="14G Tuohy", gauge=14, outer_diameter_mm=2.1, inner_diameter_mm=1.6)
    study = replace(study, toolbox=replace(tools, needles=(tuohy, *tools.needles)))
    sheet = sheet_of(study)
    if sheet is None:
        raise SystemExit("this patient has no thecal sac")
    start = begin(study, sheet, 92.0, 2.0)
    scs = study.toolbox.index("leads", "8-contact percutaneous lead")
    soft = study.toolbox.index("leads", "19G epidural catheter")
    midline = steered(study, sheet, start, scs, 110.0)
    runs = [
        ("8-contact lead, bend turned towards the midline every 10 mm", INK, midline),
        ("the same, bend left on the patient's left", RED, pushed(study, start, scs, 0, 60.0)),
        ("19G epidural catheter, pushed straight", BLUE, pushed(study, start, soft, 0, 90.0)),
    ]
    sheet_picture(sheet, runs).save(OUT / "lead-sheet.png")
    scene, beam = make_scene(study.phantom), load_beam()
    for name, primary in (("ap", 0), ("lateral", -90_000)):
        _, view = still_view(study, primary, 0)
        move = np.array([0.0, 0.0, 25.0])
        pose = replace(view.pose, source_mm=view.pose.source_mm + move, detector_mm=view.pose.detector_mm + move)
        shown = replace(view, pose=pose, wires=lead.wires(study, midline))
        Image.fromarray(render(scene, beam, shown, asked.size)).save(OUT / f"lead-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
