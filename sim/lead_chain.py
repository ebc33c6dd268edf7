"""The lead as a chain of rigid links in the plane of the sheet, moved by pymunk.

Nothing of pymunk lives longer than one call: the space is built from plain numbers and gives plain numbers back, so a
replay repeats it exactly on one build. Units: mm, s, N, and so t (tonne) for mass. The motion is overdamped and the
mass numerical: what counts is where the chain comes to rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pymunk

Row = tuple[float, float, float, float, float, float]
"""Centre along, across (mm), heading (rad), and their speeds per second."""

MASS_FACTOR = 16.0
"""Mass per length = 16 EI dt^2 / h^4: the explicit springs of the fastest mode stay stable (4 is the limit without joints)."""
JOINT_BIAS = 1e-60
"""Share of a joint's gap left after one second: 13 % of it is closed in each step of 1 ms."""
GROOVE_MM = 20.0
FRICTION = 0.2


@dataclass(frozen=True)
class Medium:
    """What the chain meets. Walls: segments (x1, y1, x2, y2); posts: circles (x, y, radius).

    drag_n_s_per_mm2: viscous, all ways. yield_n_per_mm: a link moves sideways, out of its channel in the fat, only
    above this force per length. tip_n: resistance before the tip while it is pushed.
    """

    drag_n_s_per_mm2: float
    yield_n_per_mm: float
    tip_n: float
    walls: tuple[tuple[float, float, float, float], ...] = ()
    posts: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Chain:
    """The lead between needle and tip: link length, radius, and per joint (from the needle) EI (N mm2) and rest angle (rad)."""

    link_mm: float
    radius_mm: float
    ei_n_mm2: tuple[float, ...]
    rest_rad: tuple[float, ...]


@dataclass(frozen=True)
class Base:
    """The mouth of the needle: the end of the link that is coming out of it, its heading, how much of it is out, its speed."""

    x_mm: float
    y_mm: float
    heading_rad: float
    out_mm: float
    speed_mm_s: float


def moved(
    links: tuple[Row, ...],
    chain: Chain,
    base: Base,
    medium: Medium,
    steps: int,
    step_s: float,
    iterations: int,
    load_n: float = 0.0,
) -> tuple[tuple[Row, ...], float]:
    """Return the links after `steps` steps of step_s, and the push (N) along the base's heading in the last one.

    load_n: dead load across the sheet at the tip (tests).
    """
    space, _mouth, bodies, first = built(links, chain, base, medium, step_s, iterations)
    h, tip = chain.link_mm, bodies[-1]
    pushed = medium.tip_n if base.speed_mm_s > 0.0 else 0.0
    for _ in range(steps):
        if pushed or load_n:
            ahead = tip.rotation_vector
            force = (-pushed * ahead.x, -pushed * ahead.y + load_n)
            tip.apply_force_at_world_point(force, tip.local_to_world((0.5 * h, 0.0)))
        space.step(step_s)
    rows = tuple((*b.position, b.angle, *b.velocity, b.angular_velocity) for b in bodies)
    return rows, first.impulse / step_s


def built(
    links: tuple[Row, ...], chain: Chain, base: Base, medium: Medium, step_s: float, iterations: int
) -> tuple[pymunk.Space, pymunk.Body, list[pymunk.Body], pymunk.Constraint]:
    """Return (space, body of the needle's mouth, bodies of the links, first joint): what `moved` steps."""
    h = chain.link_mm
    mass_per_mm = MASS_FACTOR * max(chain.ei_n_mm2) * step_s * step_s / (h * h * h * h)
    space = pymunk.Space()
    space.iterations = iterations
    rate = min(600.0, medium.drag_n_s_per_mm2 / mass_per_mm)
    space.damping = math.exp(-rate)
    lost = math.exp(rate * step_s)  # pymunk gives the springs their impulse before it damps the speeds
    _surroundings(space, medium)
    cx, cy = math.cos(base.heading_rad), math.sin(base.heading_rad)
    mouth = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
    mouth.position, mouth.angle = (base.x_mm - 0.5 * h * cx, base.y_mm - 0.5 * h * cy), base.heading_rad
    mouth.velocity = (base.speed_mm_s * cx, base.speed_mm_s * cy)
    space.add(mouth)
    before, bodies, joints = mouth, [], []
    damping = 0.2 * mass_per_mm * h * h * h / 12.0 / step_s
    for k, row in enumerate(links):
        body = _link(row, mass_per_mm * h, h)
        shape = pymunk.Segment(body, (-0.5 * h, 0.0), (0.5 * h, 0.0), chain.radius_mm)
        shape.filter, shape.friction = pymunk.ShapeFilter(group=1), FRICTION
        joint = pymunk.PivotJoint(before, body, (0.5 * h, 0.0), (-0.5 * h, 0.0))
        joint.error_bias, joint.collide_bodies = JOINT_BIAS, False
        spring = pymunk.DampedRotarySpring(before, body, -chain.rest_rad[k], lost * _stiffness(chain, base, k), damping)
        space.add(body, shape, joint, spring)
        if medium.yield_n_per_mm > 0.0:
            space.add(_channel(space, body, row, medium.yield_n_per_mm * h))
        bodies.append(body)
        joints.append(joint)
        before = body
    return space, mouth, bodies, joints[0]


def _stiffness(chain: Chain, base: Base, k: int) -> float:
    """Return the spring (N mm / rad) of joint k: EI / h between links.

    At the mouth the compliance h/2 (1 - h / 3L) makes the tip deflection of n links under a tip load exactly F L^3 / 3EI;
    what is out of the last link, at most half of it, bends with it.
    """
    h = chain.link_mm
    if k:
        return chain.ei_n_mm2[k] / h
    return chain.ei_n_mm2[0] / (0.5 * h * (1.0 - 1.0 / (3.0 * len(chain.ei_n_mm2))) + min(base.out_mm, 0.5 * h))


def _link(row: Row, mass: float, h: float) -> pymunk.Body:
    body = pymunk.Body(mass, mass * h * h / 12.0)
    body.position, body.angle = (row[0], row[1]), row[2]
    body.velocity, body.angular_velocity = (row[3], row[4]), row[5]
    return body


def _channel(space: pymunk.Space, body: pymunk.Body, row: Row, most_n: float) -> pymunk.Constraint:
    """Return the channel that a link has in the fat: its centre slides along its heading, sideways only above most_n."""
    dx, dy = GROOVE_MM * math.cos(row[2]), GROOVE_MM * math.sin(row[2])
    groove = pymunk.GrooveJoint(space.static_body, body, (row[0] - dx, row[1] - dy), (row[0] + dx, row[1] + dy), (0.0, 0.0))
    groove.max_force = most_n
    return groove


def _surroundings(space: pymunk.Space, medium: Medium) -> None:
    for x1, y1, x2, y2 in medium.walls:
        wall = pymunk.Segment(space.static_body, (x1, y1), (x2, y2), 0.3)
        wall.friction = FRICTION
        space.add(wall)
    for x, y, radius in medium.posts:
        post = pymunk.Circle(space.static_body, radius, (x, y))
        post.friction = FRICTION
        space.add(post)
