"""curriculum: the map from drills to hard cases, what to do next, small goals, the case of the day. Practice only."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.common import AsJson, say, utc_now
from sim.errors import UsageError

if TYPE_CHECKING:
    from scenarios.curriculum import Stop
    from scenarios.history import History

ATTEMPTS = Path("runs")


def history_of(folder: Path = ATTEMPTS, operator: str = "trainee") -> History:
    """Return one's own attempts below a folder, oldest first, by the clock of now."""
    from scenarios.history import read_attempts

    return read_attempts(folder, utc_now(), operator)


def today() -> date:
    """Return the UTC date."""
    return date.fromisoformat(utc_now()[:10])


def curriculum(
    attempts: Annotated[Path, typer.Option(help="folder with one's own attempts, searched to the bottom")] = ATTEMPTS,
    day: Annotated[str, typer.Option(help="UTC date of the case of the day (today unless given)")] = "",
    operator: Annotated[str, typer.Option(help="whose attempts: 'trainee' is a person at the window")] = "trainee",
    json_: AsJson = False,
) -> None:
    """Show the curriculum map, the next step, small goals, the streak of safe cases and the case of the day."""
    from scenarios import curriculum as way

    history = history_of(attempts, operator)
    done = history.attempts
    stops, advice = way.curriculum_map(done), way.next_step(done)
    told: dict[str, Any] = {
        "attempts": len(done),
        "map": [asdict(stop) for stop in stops],
        "next": asdict(advice),
        "goals": [aim.text for aim in way.aims(done, advice.scenario)],
        "streak": asdict(way.streak(done)),
        "case_of_the_day": asdict(way.case_of_the_day(_date(day), done)),
        "notes": list(history.notes),
    }
    if json_:
        say(json.dumps(told, indent=2, default=str))
        return
    _table(stops)
    _words(told)


def _date(text: str) -> date:
    if not text:
        return today()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--day {text}: expected a date as 2026-11-30") from None


def _table(stops: list[Stop]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="From drills to hard cases")
    for name in ("Stage", "Cases", "Safe", "State", "What is missing"):
        table.add_column(name)
    for stop in stops:
        state = "learned" if stop.learned else "open" if stop.open else "later"
        table.add_row(stop.title, str(len(stop.cases)), f"{stop.safe} of {stop.needed}", state, stop.missing)
    Console(width=None if Console().is_terminal else 120).print(table)


def _words(told: dict[str, Any]) -> None:
    step, day, row = told["next"], told["case_of_the_day"], told["streak"]
    say(f"Next: main.py play {step['scenario']} --seed {step['seed']}  ({step['why']})")
    for goal in told["goals"]:
        say(f"Goal there: {goal}")
    done = ", passed" if day["passed"] else ", tried" if day["done"] else ""
    say(f"Case of the day ({day['day']}): main.py play {day['scenario']} --seed {day['seed']}  ({day['title']}{done})")
    say(f"Safe cases in a row: {row['length']} (longest {row['best']})")
    say("Practice only: any case can be chosen at any time (main.py list), and haste earns nothing.")
    for note in told["notes"]:
        say(f"Note: {note}")
