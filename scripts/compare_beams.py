#!/usr/bin/env python3
"""The shaft's beam side by side with MuJoCo's cable and PyElastica's Cosserat rod on one cantilever (docs/PHYSICS.md).

Usage: python scripts/compare_beams.py [--elements 20]. Needs a throw-away environment with numpy, numba, mujoco and pyelastica;
a missing one is left out. Not like for like: ours is quasi-static (one solve is the answer), the others are dynamic and have
to come to rest, so their cost is given per millisecond of simulated time and for the time that this takes.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

OUTER, INNER, YOUNG, DENSITY, LENGTH = 0.718e-3, 0.413e-3, 200e9, 8000.0, 0.089  # 22G hollow, steel; SI
EI = math.pi * YOUNG * (OUTER**4 - INNER**4) / 64.0
AREA = math.pi * (OUTER**2 - INNER**2) / 4.0
SOLID = (64.0 * EI / (math.pi * YOUNG)) ** 0.25  # diameter of a solid rod of the same EI
MASS = DENSITY * AREA
DAMPING_PER_S, REST_S = 600.0, 0.03
"""PyElastica: uniform damping near the critical one of the first mode (about 90 Hz), and the time given to come to rest."""


def elastica_mm(force: float) -> float:
    """Return the tip deflection (mm) of the inextensible elastica under a dead force (N) across it: shooting with RK4."""

    def shoot(moment: float) -> tuple[float, float]:
        n, angle, bend, y = 4000, 0.0, moment / EI, 0.0
        h = LENGTH / n
        for _ in range(n):
            a2, b2 = angle + 0.5 * h * bend, bend - 0.5 * h * force * math.cos(angle) / EI
            y += h * math.sin(a2)
            angle, bend = angle + h * b2, bend - h * force * math.cos(a2) / EI
        return bend, y

    low, high = 0.0, 2.0 * force * LENGTH
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if shoot(middle)[0] > 0.0 else (middle, high)
    return 1e3 * shoot(middle)[1]


def ours(force: float, elements: int) -> tuple[float, float, str]:
    """Return (tip mm, microseconds per solve, words): the shape settles over a few steps of the needle."""
    from sim.bending import add_element, clamp, factorise, leaning, substitute

    nodes, length, ei = elements + 1, LENGTH * 1e3, EI * 1e6
    h, w = length / elements, np.zeros((elements + 1, 4))

    def step() -> None:
        band, rhs = np.zeros((2 * nodes, 4)), np.zeros((2 * nodes, 2))
        for e in range(elements):
            stiff, tension = leaning(w, e, h, ei)
            add_element(band, e, h, stiff, -tension)
        rhs[-2, 0] += force
        clamp(band, rhs)
        factorise(band)
        substitute(band, rhs)
        w[:, 0], w[:, 1] = rhs[0::2, 0], rhs[1::2, 0]

    for _ in range(12):
        step()
    # what is timed: factorise and solve, compiled, as in a tick (the loop above is Python)
    band, rhs = np.zeros((2 * nodes, 4)), np.zeros((2 * nodes, 2))
    for e in range(elements):
        add_element(band, e, h, ei, 0.0)
    clamp(band, rhs)
    times = []
    for _ in range(300):
        b, r = band.copy(), rhs.copy()
        start = time.perf_counter()
        factorise(b)
        substitute(b, r)
        times.append(time.perf_counter() - start)
    return float(w[-1, 0]), 1e6 * float(np.median(times)), "one factorisation and solve, both planes, quasi-static"


def mujoco_cable(force: float, elements: int) -> tuple[float, float, str]:
    """Return (tip mm, microseconds per 1 ms of simulated time, words) of MuJoCo's cable with capsules of the same EI."""
    import mujoco

    best = (math.nan, math.nan, "no stable step")
    for step_ms in (1.0, 0.5, 0.2, 0.1, 0.05, 0.02):
        damping = 16.0 * step_ms * 1e-3 * EI * elements / LENGTH  # least that holds explicit bending forces at this step
        xml = f"""<mujoco><extension><plugin plugin="mujoco.elasticity.cable"/></extension>
        <option timestep="{step_ms * 1e-3}" integrator="implicitfast" gravity="0 0 0"/><size memory="8M"/>
        <worldbody><composite type="cable" curve="s" count="{elements + 1} 1 1" size="{LENGTH}" initial="none">
        <plugin plugin="mujoco.elasticity.cable"><config key="twist" value="{YOUNG / 2.6}"/><config key="bend" value="{YOUNG}"/>
        </plugin><joint kind="main" damping="{damping}"/>
        <geom type="capsule" size="{SOLID / 2}" density="{MASS / (math.pi * SOLID**2 / 4)}" contype="0" conaffinity="0"/>
        </composite></worldbody></mujoco>"""
        model = mujoco.MjModel.from_xml_string(xml)
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        last = model.nbody - 1
        size = model.geom_size[model.body_geomadr[last], 1]
        local = data.xmat[last].reshape(3, 3).T @ (data.xpos[last] - data.xpos[1])
        along = np.sign(local[np.argmax(np.abs(local))]) * np.eye(3)[np.argmax(np.abs(local))] * 2.0 * size
        spent, steps = 0.0, round(2000.0 / step_ms)
        start = time.perf_counter()
        for _ in range(steps):
            tip = data.xpos[last] + data.xmat[last].reshape(3, 3) @ along
            data.qfrc_applied[:] = 0.0
            mujoco.mj_applyFT(model, data, np.array([0.0, 0.0, force]), np.zeros(3), tip, last, data.qfrc_applied)
            mujoco.mj_step(model, data)
            if sum(w.number for w in data.warning):
                break
        else:
            spent = time.perf_counter() - start
            tip = data.xpos[last] + data.xmat[last].reshape(3, 3) @ along
            words = f"step {step_ms} ms, after 2 s, speed left {1e3 * np.abs(data.qvel).max():.2g} mrad/s"
            best = (1e3 * float(tip[2]), 1e6 * spent / 2000.0, words)
            break
    return best


def pyelastica(force: float, elements: int) -> tuple[float, float, str]:
    """Return (tip mm, microseconds per 1 ms of simulated time, words) of a Cosserat rod; solid, with the same EI."""
    import elastica as ea

    class Simulator(ea.BaseSystemCollection, ea.Constraints, ea.Forcing, ea.Damping):
        pass

    system = Simulator()
    length, radius = 1e3 * LENGTH, 0.5e3 * SOLID  # in mm, g, s (1 Pa = 1 g / (mm s2)): its tolerances are absolute
    density = 1e-6 * MASS / (math.pi * SOLID**2 / 4)
    rod = ea.CosseratRod.straight_rod(
        elements, np.zeros(3), np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]), length, radius, density,
        youngs_modulus=YOUNG, shear_modulus=YOUNG / 2.6,
    )  # fmt: skip
    system.append(rod)
    system.constrain(rod).using(ea.OneEndFixedBC, constrained_position_idx=(0,), constrained_director_idx=(0,))
    system.add_forcing_to(rod).using(ea.EndpointForces, np.zeros(3), np.array([0.0, 0.0, 1e6 * force]), ramp_up_time=1e-3)
    # an explicit step has to follow the axial waves and, far faster in a thin rod, the cross-sections turning against shear
    axial, turning = LENGTH / elements * math.sqrt(DENSITY / YOUNG), SOLID / 2 * math.sqrt(1e6 * density / (0.96 * YOUNG / 2.6))
    step = min(0.2 * axial, 0.4 * turning)
    system.dampen(rod).using(ea.AnalyticalLinearDamper, uniform_damping_constant=DAMPING_PER_S, time_step=step)
    system.finalize()
    stepper = ea.PositionVerlet()
    total = round(REST_S / step)
    ea.integrate(stepper, system, 20 * step, 20, progress_bar=False)
    start = time.perf_counter()
    ea.integrate(stepper, system, total * step, total, progress_bar=False)
    seconds = time.perf_counter() - start
    words = f"step {step * 1e6:.2f} us, after {REST_S} s, speed left {abs(float(rod.velocity_collection[2, -1])):.2g} mm/s"
    return float(rod.position_collection[2, -1]), 1e6 * seconds / (1e3 * total * step), words


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--elements", type=int, default=20)
    elements = ask.parse_args().elements
    print(f"22G hollow, 89 mm, EI {EI:.3e} N m2, {elements} elements")
    for force in (0.02, 0.1, 0.15):
        exact, small = elastica_mm(force), 1e3 * force * LENGTH**3 / (3.0 * EI)
        print(f"{force} N: elastica {exact:.3f} mm, small-slope theory {small:.3f} mm")
        rows = (("ours", "numba", ours), ("MuJoCo cable", "mujoco", mujoco_cable), ("PyElastica", "elastica", pyelastica))
        for name, module, solve in rows:
            if importlib.util.find_spec(module) is None:
                print(f"  {name:<14} not installed")
                continue
            tip, cost, words = solve(force, elements)
            print(f"  {name:<14} {tip:8.3f} mm  {100 * (tip / exact - 1):+7.3f} %  {cost:10.1f} us  ({words})", flush=True)


if __name__ == "__main__":
    main()
