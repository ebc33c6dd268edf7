"""What the tip touches, as facts with a beginning and an end: depth, duration and speed against the tissue.

Runs after the engines and hears their events, which are found by continuous crossing; nothing is sampled here. A patient whose
tubes or labels lack an organ never raises its event. `touched` tells the beginning, `released` the end (the needle was moved on,
pulled out, or the attempt ended).
"""

from __future__ import annotations

import math
from dataclasses import replace

from sim.command import Command
from sim.event import Event, event
from sim.phantom import TubeKind
from sim.state import Contact, State, Study, TouchState
from sim.tip import um

TICKS_PER_SECOND = 100
SPEED_TICKS = 5
"""Speed is the mean over so many ticks (50 ms)."""

OF_TUBE = {
    "sac": "dura",
    "root": "root",
    "ganglion": "ganglion",
    "ramus": "ramus",
    "dorsal_ramus": "dorsal_ramus",
    "medial_branch": "medial_branch",
    "sympathetic": "sympathetic_trunk",
    "cord": "cord",
    "rootlet": "cauda_equina",
    "artery": "artery",
    "radicular_artery": "artery",
    "vein": "vein",
    "basivertebral": "vein",
}
"""Structure of each kind of tube."""

OF_TISSUE = {
    "FACET_JOINT": "facet_joint",
    "FACET_CAPSULE": "facet_joint",
    "DISC_ANNULUS": "disc",
    "DISC_NUCLEUS": "disc",
    "VACUUM": "disc",
    "PLEURA": "pleura",
    "LUNG": "lung",
    "ABDOMEN": "bowel",
    "BOWEL_GAS": "bowel",
    "KIDNEY": "kidney",
    "LIVER": "liver",
    "SPLEEN": "spleen",
}
"""Structure of each tissue label that is one."""

STRUCTURES = ("periosteum", *dict.fromkeys((*OF_TUBE.values(), *OF_TISSUE.values())))
"""Everything that `touched.structure` can be."""

NERVES = frozenset(("root", "ganglion", "ramus", "cord", "cauda_equina"))
WHOLE_BODY = frozenset(("cord", "cauda_equina"))
"""Nerves whose side is not that of a foramen."""


def begin(study: Study) -> TouchState:
    """Return a tip that touches nothing."""
    return TouchState()


def advance(study: Study, state: State, command: Command, events: tuple[Event, ...]) -> tuple[TouchState, list[Event]]:
    """Follow this tick's events; a needle at rest that meets nothing returns the same state."""
    me, needle = state.touch, state.needle
    if not needle.placed and not me.contacts and not me.trail_um:
        return me, []
    out: list[Event] = []
    tip = tuple(um(v) for v in needle.tip_mm) if needle.placed else ()
    speed = _speed(me.trail_um, tip)
    for fact in events:
        me = _heard(study, state, me, fact, speed, out)
    me = _followed(state, me, speed, out) if me.contacts else me
    trail = (*me.trail_um, tip)[-SPEED_TICKS:] if tip else ()
    return (me if trail == me.trail_um else replace(me, trail_um=trail)), out


def _speed(trail: tuple[tuple[int, ...], ...], now: tuple[int, ...]) -> int:
    """Return how fast the tip went through the tissue in the last SPEED_TICKS (um/s): stick and slip are evened out."""
    if not trail or not now:
        return 0
    way = math.isqrt(sum((a - b) * (a - b) for a, b in zip(now, trail[0], strict=True)))
    return TICKS_PER_SECOND * way // len(trail)


def _heard(study: Study, state: State, me: TouchState, fact: Event, speed: int, out: list[Event]) -> TouchState:
    if fact.kind == "structure_entered":
        return _touch(study, state, me, OF_TUBE[fact["kind"].lower()], fact["name"], fact, speed, out)
    if fact.kind == "structure_left":
        return _release(state, me, out, name=fact["name"], deepest_um=fact["deepest_um"])
    if fact.kind == "tissue_entered":
        structure = OF_TISSUE.get(fact["tissue"], "")
        for old in me.contacts:
            if old.structure in OF_TISSUE.values() and old.structure != structure:
                me = _release(state, me, out, name=old.name)
        return _touch(study, state, me, structure, structure, fact, speed, out) if structure else me
    if fact.kind == "bone_contact":
        return _touch(study, state, me, "periosteum", fact["bone"], fact, speed, out)
    if fact.kind in ("needle_removed", "finished"):
        for old in me.contacts:
            me = _release(state, me, out, name=old.name, deepest_um=_depth_now(study, state, old))
    return me


def _touch(
    study: Study, state: State, me: TouchState, structure: str, name: str, fact: Event, speed: int, out: list[Event]
) -> TouchState:
    """Begin a contact, or press harder on one that is there."""
    force = fact["force_mn"] if structure == "periosteum" else 0
    for i, old in enumerate(me.contacts):
        if old.name == name and old.structure == structure:
            harder = old._replace(force_mn=max(old.force_mn, force))
            return me if harder == old else replace(me, contacts=(*me.contacts[:i], harder, *me.contacts[i + 1 :]))
    side = "" if structure in WHOLE_BODY else fact["side"]
    dermatome = _dermatome(study, structure, name, fact)
    new = Contact(structure, name, fact["level"], side, dermatome, state.tick, speed, speed, fact["depth_um"], 0, force)
    told = {"structure": structure, "name": name, "level": new.level, "side": side, "dermatome": dermatome}
    where = {key: fact[key] for key in ("x_um", "y_um", "z_um", "depth_um")}
    out.append(event(state.tick, "touched", speed_um_s=speed, force_mn=force, **told, **where))
    return replace(me, contacts=(*me.contacts, new))


def _dermatome(study: Study, structure: str, name: str, fact: Event) -> str:
    """Return the segment in which a contact is felt: the nerve's own, that of the tip for cord and cauda, else none."""
    if structure not in NERVES:
        return ""
    own = next((tube.level for tube in study.phantom.tubes if tube.name == name), "")
    level: str = own or fact["level"]
    return level


def _followed(state: State, me: TouchState, speed: int, out: list[Event]) -> TouchState:
    """Let contacts go on: how deep the tip is in a tissue, how fast it went, whether it still lies on bone."""
    if state.needle.bone < 0:
        for old in me.contacts:
            if old.structure == "periosteum":
                me = _release(state, me, out, name=old.name)
    if not state.needle.moving and not speed:
        return me
    now = tuple(_grown(state, contact, speed) for contact in me.contacts)
    return me if now == me.contacts else replace(me, contacts=now)


def _grown(state: State, contact: Contact, speed: int) -> Contact:
    fastest = max(contact.fastest_um_s, speed)
    if contact.structure in OF_TUBE.values():
        return contact._replace(fastest_um_s=fastest)  # the engine measures its depth below the wall
    return contact._replace(fastest_um_s=fastest, deepest_um=max(contact.deepest_um, um(state.needle.depth_mm) - contact.from_um))


def _depth_now(study: Study, state: State, contact: Contact) -> int:
    """Return the depth of a contact that ends with the attempt."""
    for place, t in enumerate(state.needle.inside):
        if study.phantom.tubes[t].name == contact.name:
            return um(state.needle.inside_deepest[place])
    return contact.deepest_um


def _release(state: State, me: TouchState, out: list[Event], name: str, deepest_um: int = 0) -> TouchState:
    for contact in me.contacts:
        if contact.name == name:
            told = {key: getattr(contact, key) for key in ("structure", "name", "level", "side", "dermatome")}
            sizes = {"deepest_um": max(deepest_um, contact.deepest_um), "ticks": state.tick - contact.since}
            speeds = {key: getattr(contact, key) for key in ("speed_um_s", "fastest_um_s", "force_mn")}
            out.append(event(state.tick, "released", **told, **sizes, **speeds))
    return replace(me, contacts=tuple(c for c in me.contacts if c.name != name))


assert {kind.name.lower() for kind in TubeKind} == set(OF_TUBE)
