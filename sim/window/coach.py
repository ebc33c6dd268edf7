"""Practice's helpers: what is next (guided mode and hints), pause, undo, the ghost. An assessment has none of them.

What the steps are and what they advise comes with the attempt (its rubric); nothing clinical is known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.window.desk import Step
from sim.window.words import ASSISTANT, HINT

if TYPE_CHECKING:
    from sim.window.theatre import Theatre

LOOK_TICKS = 100


class Coach:
    """Belongs to one theatre. `ghosts`: name -> points (n, 3) in mm."""

    def __init__(self, theatre: Theatre, guided: bool) -> None:
        self._theatre = theatre
        self.guided = guided and theatre.practice
        self.paused = False
        self.ghost_on = False
        self.ghosts: dict[str, Any] | None = None
        self.undo_to: int | None = None
        self.steps: tuple[Step, ...] = ()
        self._looked = (-1, -LOOK_TICKS)
        self._said = ""

    @property
    def next(self) -> Step | None:
        """The first step that is not done, None when all are (or none are known)."""
        return next((s for s in self.steps if not s.done), None)

    def look(self, force: bool = False) -> None:
        """Compare the events with the steps, at most once a second and only when something happened."""
        room = self._theatre
        seen = (len(room.session.events), room.state.tick)
        if room.attempt.guide is None or not room.practice or not (self.guided or force):
            return
        if not force and (seen[0] == self._looked[0] or seen[1] - self._looked[1] < LOOK_TICKS):
            return
        self._looked = seen
        self.steps = tuple(room.attempt.guide(room.session.events))
        step = self.next
        if self.guided and step is not None and step.id != self._said:
            self._said = step.id
            room.say(HINT, self._sentence(step))

    def hint(self) -> None:
        """Say what is next."""
        room = self._theatre
        if not room.practice:
            room.say(ASSISTANT, "There are no hints in an assessment.")
            return
        self.look(force=True)
        step = self.next
        room.say(HINT, self._sentence(step) if step else "Nothing of the checklist is open: finish when you are content.")

    @staticmethod
    def _sentence(step: Step) -> str:
        return f"Next: {step.title}" + (f". {step.advice}" if step.advice else ".")

    def toggle_pause(self) -> None:
        """Stop the clock, or let it run."""
        room = self._theatre
        if not room.practice:
            room.say(ASSISTANT, "An assessment cannot be paused.")
            return
        self.paused = not self.paused
        if self.paused:
            room.hands.release_all()

    def ask_undo(self) -> None:
        """Ask the window to go back to before the last act."""
        room, to = self._theatre, self._theatre.history.before_last_act
        if not room.practice:
            room.say(ASSISTANT, "Nothing can be undone in an assessment.")
        elif room.attempt.rewind is None:
            room.say(ASSISTANT, "This attempt cannot be rewound.")
        elif to is None:
            room.say(ASSISTANT, "There is nothing to undo yet.")
        else:
            self.undo_to = to

    def toggle_ghost(self) -> None:
        """Show or hide the ideal way and the best earlier path."""
        room = self._theatre
        if not room.practice:
            room.say(ASSISTANT, "An assessment shows no ideal way.")
            return
        ghosts = self.load_ghosts()
        if not ghosts:
            room.say(ASSISTANT, "No ideal way is known for this case.")
            return
        self.ghost_on = not self.ghost_on
        if self.ghost_on:
            room.say(HINT, f"Shown in the room: {', '.join(ghosts)}. Fade the skin to see inside.")

    def load_ghosts(self) -> dict[str, Any]:
        """Return the ghosts of the attempt, asked for once."""
        if self.ghosts is None:
            self.ghosts = dict(self._theatre.attempt.ghosts()) if self._theatre.attempt.ghosts else {}
        return self.ghosts
