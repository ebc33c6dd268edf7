"""The menu's decisions beside the needle (postpone, risks, complications, responses, discharge, note) and answers of a drill.

The words come from the core (sim.clinic, the drill's questions); nothing here knows which one is right.
"""

from __future__ import annotations

from sim.command import TABLE
from sim.window.menu import Row
from sim.window.theatre import Theatre

_KINDS = (
    ("consent.risk", "Name a risk", "RISKS"),
    ("case.postpone", "Postpone because", "REASONS"),
    ("complication.name", "I see", "COMPLICATIONS"),
    ("response.give", "Do now", "RESPONSES"),
    ("discharge.check", "Before discharge", "CHECKS"),
    ("note.write", "Note: complication", "COMPLICATIONS"),
)


def kinds() -> list[tuple[str, str, tuple[str, ...]]]:
    """Return (command, label, words) of the decisions that this core knows."""
    known = [row for row in _KINDS if row[0] in TABLE]
    if not known:
        return []
    from sim import clinic

    return [(op, label, tuple(w.replace("_", " ") for w in getattr(clinic, name))) for op, label, name in known]


def menu_rows(theatre: Theatre) -> tuple[Row, ...]:
    """Return the rows of the menu: decisions, and the answers of a drill."""
    send = theatre.hands.send
    rows = [
        Row(label, rows=lambda op=op, words=words: tuple(Row(w, lambda i=i, op=op: send(op, i)) for i, w in enumerate(words)))
        for op, label, words in kinds()
    ]
    item = question(theatre)
    if item is not None and item.kind == "choose":
        rows += [Row(f"Answer: {c}", lambda i=i: send("drill.choose", i)) for i, c in enumerate(item.choices)]
    elif item is not None:
        rows.append(Row("Answer: the aim" if item.kind == "point" else "Answer: as it stands", lambda: answer(theatre)))
    return tuple(rows)


def question(theatre: Theatre) -> object | None:
    """Return the question of a drill that is open now, None outside a drill and after the last one."""
    drill = getattr(theatre.study.plan, "drill", None)
    if drill is None or theatre.state.drill.answered >= len(drill.items):
        return None
    return drill.items[theatre.state.drill.answered]


def answer(theatre: Theatre) -> None:
    """Answer the open question: with the aim on the picture, or as C-arm and needle stand."""
    item = question(theatre)
    if item is None:
        return
    if item.kind != "point":
        theatre.hands.send("drill.answer")
    elif theatre.aim is None:
        theatre.say("Assistant", "Click on the place in the picture first (or move the aim there).")
    else:
        side_um = 1000 * theatre.aim.pose.side_mm
        theatre.hands.send("drill.point", round((theatre.aim.u - 0.5) * side_um), round((0.5 - theatre.aim.v) * side_um))
