"""What a control can do: one row per act. Which key or button does it is data (controls.toml)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.window.theatre import Theatre

STICK_STEPS_S = 15.0
"""Fine steps a second of a stick pushed to its end."""


@dataclass(frozen=True)
class Act:
    """One row. act (theatre, fine) on the press; `let_go` for acts that are held; `repeats` while held.

    `window`: the window itself does it (help, panels), `act` is empty then.
    """

    does: str
    act: Callable[[Theatre, bool], None] | None = None
    let_go: Callable[[Theatre], None] | None = None
    repeats: bool = False
    group: str = "X-rays"

    @property
    def window(self) -> bool:
        """True if the window does it, not the theatre."""
        return self.act is None


def _arm(primary: float = 0.0, secondary: float = 0.0) -> Callable[[Theatre, bool], None]:
    return lambda t, fine: t.hands.turn(primary * (1 if fine else 5), secondary * (1 if fine else 5))


def _swivel(way: float) -> Callable[[Theatre, bool], None]:
    return lambda t, fine: t.hands.swivel(way * (1 if fine else 2))


def _slide(**mm: float) -> Callable[[Theatre, bool], None]:
    return lambda t, fine: t.hands.slide(**{k: v * (1 if fine else 10) for k, v in mm.items()})


def _point(dx: float, dz: float) -> Callable[[Theatre, bool], None]:
    """Move the aim on the picture while it is on, else the marker while it is on, else tilt the hub."""

    def act(t: Theatre, fine: bool) -> None:
        if t.aiming:
            t.nudge_aim(-dx, -dz, fine)
        elif t.marker_on:
            t.nudge_marker(dx * (1.0 if fine else 5.0), dz * (1.0 if fine else 5.0))
        else:
            t.hands.tilt(dx * (0.5 if fine else 2.0), dz * (0.5 if fine else 2.0))

    return act


def _move(sign: float) -> Callable[[Theatre, bool], None]:
    return lambda t, fine: t.hands.move(sign * (0.2 if fine else 1.0))


def _grip(sign: float) -> Callable[[Theatre, bool], None]:
    return lambda t, fine: t.hands.grip(sign * (2.0 if fine else 10.0))


def _bevel(sign: float) -> Callable[[Theatre, bool], None]:
    return lambda t, fine: t.hands.turn_bevel(sign * (5 if fine else 30))


def _marker(t: Theatre, _fine: bool) -> None:
    t.marker_on = not t.marker_on


def _swap(t: Theatre, _fine: bool) -> None:
    t.swapped = not t.swapped


def _road(t: Theatre, _fine: bool) -> None:
    t.road_map = not t.road_map


def _held(what: str, does: str, group: str) -> Act:
    return Act(does, lambda t, _f: t.hands.hold(what, True), lambda t: t.hands.hold(what, False), group=group)


ACTS: dict[str, Act] = {
    "pedal": _held("pedal", "pedal: live X-rays while held", "X-rays"),
    "shot": Act("single picture", lambda t, _f: t.hands.shot()),
    "dsa": _held("dsa", "DSA run while held", "X-rays"),
    "boost": Act("boost: high-level X-rays on or off", lambda t, _f: t.hands.boost()),
    "iris": Act("iris: next smaller round field, then wide open", lambda t, _f: t.hands.next_iris()),
    "again": Act("show the last run again (cine loop)", lambda t, _f: t.replay()),
    "peak": Act("peak opacification of the last DSA run", lambda t, _f: t.show_peak()),
    "road_map": Act("road map: live X-rays over the last DSA run", _road),
    "store": Act("store the picture", lambda t, _f: t.hands.store()),
    "swap": Act("swap the monitors", _swap),
    "orbit_left": Act("orbit to the patient's left", _arm(primary=1), repeats=True, group="C-arm"),
    "orbit_right": Act("orbit to the patient's right", _arm(primary=-1), repeats=True, group="C-arm"),
    "tilt_head": Act("tilt towards the head", _arm(secondary=1), repeats=True, group="C-arm"),
    "tilt_feet": Act("tilt towards the feet", _arm(secondary=-1), repeats=True, group="C-arm"),
    "swivel_left": Act("swivel: the patient's left side of the C towards the head", _swivel(1), repeats=True, group="C-arm"),
    "swivel_right": Act("swivel: the patient's right side of the C towards the head", _swivel(-1), repeats=True, group="C-arm"),
    "slide_left": Act("slide to the patient's left", _slide(x_mm=1), repeats=True, group="C-arm"),
    "slide_right": Act("slide to the patient's right", _slide(x_mm=-1), repeats=True, group="C-arm"),
    "slide_head": Act("slide towards the head", _slide(z_mm=1), repeats=True, group="C-arm"),
    "slide_feet": Act("slide towards the feet", _slide(z_mm=-1), repeats=True, group="C-arm"),
    "lift": Act("lift the C-arm", _slide(y_mm=1), repeats=True, group="C-arm"),
    "lower": Act("lower the C-arm", _slide(y_mm=-1), repeats=True, group="C-arm"),
    "aim": Act("aim on the live picture: on, off", lambda t, _f: t.toggle_aiming(), group="Point"),
    "centre": Act("bring the aim to the middle", lambda t, _f: t.centre_aim(), group="Point"),
    "marker": Act("skin marker on or off", _marker, group="Point"),
    "point_head": Act("aim, marker or hub: towards the head", _point(0, 1), repeats=True, group="Point"),
    "point_feet": Act("aim, marker or hub: towards the feet", _point(0, -1), repeats=True, group="Point"),
    "point_left": Act("aim, marker or hub: to the patient's left", _point(1, 0), repeats=True, group="Point"),
    "point_right": Act("aim, marker or hub: to the patient's right", _point(-1, 0), repeats=True, group="Point"),
    "in_line": Act("place the needle in line with the beam", lambda t, _f: t.place_in_line(), group="Needle"),
    "advance": Act("advance 1 mm (fine: 0.2 mm)", _move(1), repeats=True, group="Needle"),
    "withdraw": Act("withdraw 1 mm (fine: 0.2 mm)", _move(-1), repeats=True, group="Needle"),
    "bevel_left": Act("turn the bevel left", _bevel(-1), repeats=True, group="Needle"),
    "bevel_right": Act("turn the bevel right", _bevel(1), repeats=True, group="Needle"),
    "stylet": Act("stylet out or in", lambda t, _f: t.hands.stylet(), group="Needle"),
    "grip_nearer": Act("fingers 10 mm nearer to the skin (fine: 2)", _grip(-1), repeats=True, group="Needle"),
    "grip_hub": Act("fingers back towards the hub", _grip(1), repeats=True, group="Needle"),
    "bend": Act("bend the tip 5 degrees more, before placing", lambda t, _f: t.hands.bend_tip(), group="Needle"),
    "introducer": Act("next introducer, before placing", lambda t, _f: t.hands.next_introducer(), group="Needle"),
    "mallet": Act("mallet on a bone needle (fine: a light tap)", lambda t, f: t.hands.tap(200 if f else 500), group="Needle"),
    "drill": Act("drill a bone needle 1 mm (fine: 0.2)", lambda t, f: t.hands.drill(100 if f else 500), group="Needle"),
    "aspirate": Act("aspirate", lambda t, _f: t.hands.aspirate(), group="Syringe"),
    "inject": _held("inject", "inject while held", "Syringe"),
    "inject_set": Act("inject the set volume", lambda t, _f: t.hands.inject_fixed(), group="Syringe"),
    "pain": Act("ask: does that hurt?", lambda t, _f: t.hands.send("ask.pain"), group="Room"),
    "menu": Act("menu: speak, views, needle, syringe", lambda t, _f: t.menu.toggle(), group="Room"),
    "hint": Act("what is next? (practice)", lambda t, _f: t.hint(), group="Room"),
    "pause": Act("pause and go on (practice)", lambda t, _f: t.toggle_pause(), group="Room"),
    "undo": Act("undo the last act (practice)", lambda t, _f: t.ask_undo(), group="Room"),
    "ghost": Act("ideal way and best earlier needle path, on or off (practice)", lambda t, _f: t.toggle_ghost(), group="Room"),
    "panels": Act("work the panels; Esc or B goes back to the hands", group="Room"),
    "next_panel": Act("work the next panel (Shift: the one before)", group="Room"),
    "help": Act("controls, and changing them", group="Room"),
    "fine": Act("fine steps while held (keys: Shift)", group="Room"),
}
